//! Readings under way: what each was for, and whom its answer goes to.
//!
//! A reading that nobody waits for any more is dropped when it comes, and no more than [`JOBS_MAX`] are
//! under way.

use crate::domain::log::Log;
use crate::domain::space::Space;
use crate::wire;

use super::{Effect, Engine, JobId, LinkId, Load, Loaded, Ticket, reading, record, searching};

/// What a reading was for.
#[derive(Debug)]
pub(super) enum Job {
    /// Sending a log to a peer.
    Send { link: LinkId, log: Log },
    /// Comparing an older head that a peer showed.
    Compare {
        link: LinkId,
        log: Log,
        shown: wire::LogHead,
    },
    /// Finding where a revoked device's log ends.
    FindEnd { log: Log },
    /// A page for a reader.
    Page(reading::PageJob),
    /// What a page refers to.
    Related(Box<reading::RelatedJob>),
    /// What a message ever said.
    History(reading::HistoryJob),
    /// What somebody looks for.
    Search(searching::SearchJob),
    /// What somebody looked for, but for how it reads by now.
    Amended(Box<searching::FoundJob>),
    /// The facts of a conversation.
    Facts { space: Space },
    /// Part of an audit trail.
    Trail { ticket: Ticket, log: Log },
    /// The clinic record, log by log.
    Record(record::RecordJob),
}

/// Most readings under way at once, whoever asked.
pub(super) const JOBS_MAX: usize = 512;

impl Engine {
    pub(super) fn on_loaded(&mut self, id: JobId, loaded: Loaded) {
        let Some(job) = self.jobs.remove(&id) else {
            return;
        };
        match (job, loaded) {
            (Job::Send { link, log }, Loaded::Segments(segments)) => {
                self.on_send_loaded(id, link, log, segments)
            }
            (Job::Compare { link, log, shown }, Loaded::HashAt(hash)) => {
                self.on_compared(link, log, &shown, hash);
            }
            (Job::FindEnd { log }, Loaded::Segments(segments)) => self.on_end_found(log, &segments),
            (Job::Page(job), Loaded::Page(entries)) => self.on_page(job, entries),
            (Job::Related(job), Loaded::Entries(entries)) => self.on_related(*job, entries),
            (Job::Search(job), Loaded::Found(found)) => self.on_found(job, found),
            (Job::Amended(job), Loaded::Entries(entries)) => self.show_found(*job, entries),
            (Job::History(job), Loaded::Entries(entries)) => self.on_history(job, &entries),
            (Job::Facts { space }, Loaded::Facts(found)) => self.on_facts(id, space, found),
            (Job::Trail { ticket, log }, Loaded::Segments(segments)) => {
                self.on_trail(ticket, log, segments)
            }
            (Job::Record(job), Loaded::Segments(segments)) => self.on_record_loaded(job, segments),
            // The runner answers a reading with what was asked for, or stops the process.
            (
                _,
                Loaded::Segments(_)
                | Loaded::HashAt(_)
                | Loaded::Page(_)
                | Loaded::Facts(_)
                | Loaded::Found(_)
                | Loaded::Entries(_),
            ) => {}
        }
    }

    /// Starts a reading; `false` if too many are under way.
    pub(super) fn load(&mut self, job: Job, load: Load) -> Option<JobId> {
        if self.jobs.len() >= JOBS_MAX {
            return None;
        }
        self.last_job += 1;
        let id = JobId(self.last_job);
        self.jobs.insert(id, job);
        self.effects.push_back(Effect::Load { job: id, load });
        Some(id)
    }
}
