//! The life of an invitation on the node that hosts it, as pure rules.
//!
//! ```text
//! open ──claimed──▶ asking ──request──▶ asked ──answer──▶ answering ──taken──▶ done
//!   │                  └────────┬─────────┴── no ──▶ declined   └── not taken ──▶ left
//!   ├── time over ▶ expired     └─ hung up, garbage, no decision ▶ left, garbled, undecided
//!   └── cancelled ▶ withdrawn
//! ```

use std::net::IpAddr;
use std::sync::Arc;

use tokio::time::Instant;
use zeroize::Zeroizing;

use super::talk::TurnedAway;
use crate::domain::enrol::SignedRequest;
use crate::domain::id::{Hash, NoiseKey};

/// A machine that came with an invitation.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// What it asks; still to be judged.
    pub request: SignedRequest,
    /// What the request must name: the handshake it came through.
    pub binding: Hash,
    /// The Noise key that the handshake proved.
    pub proven: NoiseKey,
    /// The six digits that must stand on its screen too.
    pub short_code: String,
    /// Where it came from.
    pub address: IpAddr,
}

/// What the admin decided.
pub enum Decision {
    /// Let in: the bytes of an [`EnrolmentAnswer`](crate::domain::enrol::EnrolmentAnswer).
    Answer(Zeroizing<Vec<u8>>),
    /// Not let in.
    Refuse,
}

impl std::fmt::Debug for Decision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Answer(_) => "Answer(..)",
            Self::Refuse => "Refuse",
        })
    }
}

/// Where an invitation stands.
#[derive(Clone, Debug)]
pub enum Stage {
    /// Nobody has come.
    Open,
    /// Somebody has come and is about to send its request.
    Asking,
    /// Somebody waits for the admin's decision.
    Asked(Arc<Candidate>),
    /// The answer is on its way.
    Answering,
    /// The machine says that it has the answer.
    Done,
    /// The admin said no.
    Declined,
    /// The machine hung up, or did not say that it took the answer.
    Left,
    /// What the machine sent is no request.
    Garbled,
    /// The admin did not decide in time.
    Undecided,
    /// Nobody came in time.
    Expired,
    /// Cancelled before anybody came.
    Withdrawn,
}

impl Stage {
    /// Whether nothing more will come of it.
    pub const fn is_over(&self) -> bool {
        match self {
            Self::Open | Self::Asking | Self::Asked(_) | Self::Answering => false,
            Self::Done
            | Self::Declined
            | Self::Left
            | Self::Garbled
            | Self::Undecided
            | Self::Expired
            | Self::Withdrawn => true,
        }
    }

    /// The stage's name, for faces and log lines.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Asking => "asking",
            Self::Asked(_) => "asked",
            Self::Answering => "answering",
            Self::Done => "done",
            Self::Declined => "declined",
            Self::Left => "left",
            Self::Garbled => "garbled",
            Self::Undecided => "undecided",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// Somebody came with an invitation that was used already: its code is known to somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// Where the latest came from.
    pub address: IpAddr,
    /// How many came.
    pub count: u32,
}

/// What can be seen of an invitation from outside.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Where it stands.
    pub stage: Stage,
    /// Whether it was tried again after its use.
    pub alarm: Option<Alarm>,
}

/// One invitation.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) progress: Progress,
    expires: Instant,
}

impl Life {
    pub(super) const fn new(expires: Instant) -> Self {
        let progress = Progress {
            stage: Stage::Open,
            alarm: None,
        };
        Self { progress, expires }
    }

    /// Somebody completed a handshake with the invitation's key: the first one has it, for good.
    pub(super) fn claim(&mut self, from: IpAddr, now: Instant) -> Result<(), TurnedAway> {
        self.expire(now);
        match self.progress.stage {
            Stage::Open => {
                self.progress.stage = Stage::Asking;
                Ok(())
            }
            Stage::Expired | Stage::Withdrawn => Err(TurnedAway::Expired),
            Stage::Asking
            | Stage::Asked(_)
            | Stage::Answering
            | Stage::Done
            | Stage::Declined
            | Stage::Left
            | Stage::Garbled
            | Stage::Undecided => {
                let count = self.progress.alarm.map_or(0, |alarm| alarm.count);
                self.progress.alarm = Some(Alarm {
                    address: from,
                    count: count.saturating_add(1),
                });
                Err(TurnedAway::Used)
            }
        }
    }

    /// The next stage of whoever claimed the invitation; nothing moves once it is over.
    pub(super) fn advance(&mut self, stage: Stage) {
        if !self.progress.stage.is_over() {
            self.progress.stage = stage;
        }
    }

    /// Time passed: an invitation that nobody used is over at its end.
    pub(super) fn expire(&mut self, now: Instant) {
        if now >= self.expires && matches!(self.progress.stage, Stage::Open) {
            self.progress.stage = Stage::Expired;
        }
    }

    /// Whether the listener has to stay for it: its time is not over, or somebody is being heard.
    pub(super) fn needs_listener(&self, now: Instant) -> bool {
        match self.progress.stage {
            Stage::Expired | Stage::Withdrawn => false,
            Stage::Open
            | Stage::Asking
            | Stage::Asked(_)
            | Stage::Answering
            | Stage::Done
            | Stage::Declined
            | Stage::Left
            | Stage::Garbled
            | Stage::Undecided => now < self.expires || !self.progress.stage.is_over(),
        }
    }

    /// When the listener has to look at it again.
    pub(super) const fn ends(&self) -> Instant {
        self.expires
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    const FROM: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn life() -> (Life, Instant) {
        let now = Instant::now();
        (Life::new(now + Duration::from_secs(900)), now)
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_to_come_has_the_invitation_and_whoever_comes_later_raises_an_alarm() {
        let (mut life, now) = life();
        assert_eq!(life.claim(FROM, now), Ok(()));
        for count in 1..=3 {
            assert_eq!(life.claim(FROM, now), Err(TurnedAway::Used));
            assert_eq!(life.progress.alarm.map(|alarm| alarm.count), Some(count));
        }
        life.advance(Stage::Left);
        assert_eq!(life.claim(FROM, now), Err(TurnedAway::Used));
    }

    #[tokio::test(start_paused = true)]
    async fn an_invitation_whose_time_is_over_admits_nobody_and_raises_no_alarm() {
        let (mut life, now) = life();
        let late = now + Duration::from_secs(900);
        assert_eq!(life.claim(FROM, late), Err(TurnedAway::Expired));
        assert!(life.progress.alarm.is_none());
        assert!(!life.needs_listener(now));
    }

    #[tokio::test(start_paused = true)]
    async fn a_used_invitation_is_watched_until_its_time_is_over() {
        let (mut life, now) = life();
        let late = now + Duration::from_secs(900);
        life.claim(FROM, now).expect("open");
        assert!(life.needs_listener(late), "somebody is being heard");
        life.advance(Stage::Done);
        assert!(life.needs_listener(now));
        assert!(!life.needs_listener(late));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_over_stays_as_it_is() {
        let (mut life, now) = life();
        life.claim(FROM, now).expect("open");
        life.advance(Stage::Declined);
        life.advance(Stage::Done);
        assert!(matches!(life.progress.stage, Stage::Declined));
    }
}
