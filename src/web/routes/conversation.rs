//! Conversations: only ever for a staff member who is signed in.

use std::collections::BTreeSet;

use axum::extract::{Extension, State};
use serde::Deserialize;

use crate::api::clinic::{device_name, names_of, space_name, staff_name};
use crate::api::conversation::{
    AcknowledgeRequest, AmendRequest, ConversationView, ConversationsView, DeliveryView,
    DraftRequest, FoundView, GroupRequest, GroupView, HistoryView, HitView, MessageView,
    OpenedRequest, PAGE_MAX, PageView, PresenceView, QuoteView, RetractRequest, RetractedView,
    SendRequest, Sent, State as Delivered, VersionView, cursor, from_cursor, id_of, message_from,
    message_id,
};
use crate::api::login::Done;
use crate::api::problem::{Code, Problem};
use crate::domain::delivery::{Known, Progress, Recipient, progress};
use crate::domain::id::{AuthorId, DeviceId, StaffId};
use crate::domain::message::{Delivery, KEY_MAX, SendKey, Written};
use crate::domain::record::Clinic;
use crate::domain::space::Space;
use crate::domain::words::Query;
use crate::node::engine::{
    Command, ConversationLine, MessageLine, Page, Quoted, Reply, Standing, Version,
};
use crate::web::access::Caller;
use crate::web::answer::{Answer, Json, Named, Parameters};
use crate::web::names;
use crate::web::state::{Api, unexpected};

/// Messages in a page unless asked otherwise: two screens.
const PAGE: usize = 50;

/// Longest question in bytes: more than sixteen long words are not looked for anyway.
const QUERY_MAX: usize = 1024;

/// Letters of a message that is answered: two lines remind of it, more would be the message again.
const QUOTE: usize = 160;

pub(super) async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Answer<ConversationsView> {
    let staff = caller.staff()?;
    let clinic = api.clinic().await?;
    match api.ask(Command::Conversations { staff }).await? {
        Reply::Conversations(lines) => {
            let lines = lines
                .iter()
                .filter_map(|line| line_view(&clinic, &staff, line));
            Ok(Json(ConversationsView {
                conversations: lines.collect(),
            }))
        }
        other => Err(unexpected(&other)),
    }
}

fn line_view(clinic: &Clinic, me: &StaffId, line: &ConversationLine) -> Option<ConversationView> {
    let members = members_of(clinic, &line.members);
    Some(ConversationView {
        id: id_of(&line.space)?,
        kind: match line.space {
            Space::Direct(..) => "direct".to_owned(),
            Space::Group(_) => "group".to_owned(),
            _ => "room".to_owned(),
        },
        name: name_for(clinic, me, &line.space),
        members,
        newest: line.newest.map(Into::into),
        unread: line.unread,
        mentioned: line.mentioned,
        first_unread: line.first_unread.as_ref().map(message_id),
        newest_unread: line.newest_unread.map(Into::into),
        read_last: line.read_last,
        draft: line.draft.clone(),
    })
}

fn members_of(clinic: &Clinic, members: &[StaffId]) -> Vec<String> {
    let names = members.iter().map(|staff| staff_name(clinic, staff));
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

pub(super) async fn group(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<GroupRequest>,
) -> Answer<GroupView> {
    let staff = caller.staff()?;
    let clinic = api.clinic().await?;
    let others = request.members.iter().map(String::as_str);
    let space = names::group(&clinic, staff, others)?;
    Ok(Json(GroupView {
        conversation: id_of(&space).ok_or_else(|| Problem::not_found("group", ""))?,
        name: name_for(&clinic, &staff, &space),
        members: members_of(&clinic, &clinic.people(&space)),
    }))
}

/// What one of its members calls a conversation: the room, or the other people.
fn name_for(clinic: &Clinic, me: &StaffId, space: &Space) -> String {
    match space {
        Space::Direct(one, other) if one == me => staff_name(clinic, other),
        Space::Direct(one, other) if other == me => staff_name(clinic, one),
        Space::Group(group) => {
            let others = group.members().iter().filter(|staff| *staff != me);
            names_of(clinic, others)
        }
        _ => space_name(clinic, space),
    }
}

/// Which part of a conversation is asked for.
#[derive(Deserialize)]
pub(super) struct Part {
    before: Option<String>,
    limit: Option<usize>,
}

pub(super) async fn messages(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Named(conversation): Named<String>,
    Parameters(part): Parameters<Part>,
) -> Answer<PageView> {
    let staff = caller.staff()?;
    let clinic = api.clinic().await?;
    let space = names::conversation(&clinic, staff, &conversation)?;
    let command = Command::Read {
        staff,
        origin: caller.origin(),
        space,
        before: part.before.as_deref().map(from_cursor).transpose()?,
        limit: part.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX),
    };
    match api.ask(command).await? {
        Reply::Page(page) => Ok(Json(page_view(&clinic, &staff, &space, &page))),
        other => Err(unexpected(&other)),
    }
}

fn page_view(clinic: &Clinic, me: &StaffId, space: &Space, page: &Page) -> PageView {
    PageView {
        conversation: id_of(space).unwrap_or_default(),
        name: name_for(clinic, me, space),
        messages: page
            .messages
            .iter()
            .map(|line| message_view(clinic, me, line))
            .collect(),
        earlier: page.earlier.as_ref().map(cursor),
    }
}

fn message_view(clinic: &Clinic, me: &StaffId, line: &MessageLine) -> MessageView {
    MessageView {
        id: message_id(&line.id),
        written: line.time.into(),
        staff: line.staff.to_string(),
        by: staff_name(clinic, &line.staff),
        mine: line.staff == *me,
        text: line.text.clone(),
        amended: line.amended,
        retracted: line.retracted.as_ref().map(|told| RetractedView {
            by: staff_name(clinic, &told.staff),
            when: told.time.into(),
            reason: told.reason.clone(),
        }),
        reply_to: line.reply_to.as_ref().map(|quoted| quote(clinic, quoted)),
        mentions: line.mentions.iter().map(ToString::to_string).collect(),
        before_removal_was_known: line.standing == Standing::BeforeRemovalWasKnown,
        delivery: delivery_view(clinic, line),
    }
}

fn quote(clinic: &Clinic, quoted: &Quoted) -> QuoteView {
    let said = quoted.said.as_ref();
    QuoteView {
        id: message_id(&quoted.id),
        by: said.map(|(staff, _)| staff_name(clinic, staff)),
        text: said.map(|(_, text)| text.chars().take(QUOTE).collect()),
    }
}

/// How far a message has come. The writer's own node is not listed as one that stored it.
fn delivery_view(clinic: &Clinic, line: &MessageLine) -> DeliveryView {
    let progress = progress_of(clinic, line);
    let others = line.receipts.held_by.iter();
    let others = others.filter(|device| AuthorId::from(**device) != line.id.author);
    let people = |staff: &[StaffId]| -> Vec<String> {
        staff.iter().map(|one| staff_name(clinic, one)).collect()
    };
    DeliveryView {
        state: match progress.state {
            Delivery::OnThisNode => Delivered::OnThisNode,
            Delivery::Left => Delivered::Left,
            Delivery::StoredAtTheirs => Delivered::StoredAtTheirs,
            Delivery::Opened => Delivered::Opened,
            Delivery::Acknowledged => Delivered::Acknowledged,
        },
        stored_at: others.map(|device| device_name(clinic, device)).collect(),
        missing: people(&progress.missing),
        opened_by: people(&progress.opened),
        acknowledged_by: people(&progress.acknowledged),
    }
}

fn progress_of(clinic: &Clinic, line: &MessageLine) -> Progress {
    let receipts = &line.receipts;
    let members = clinic.people(&line.id.space).into_iter();
    let recipients = members
        .filter(|staff| *staff != line.staff)
        .map(|staff| Recipient {
            staff,
            homes: homes(clinic, &staff),
        });
    let recipients: Vec<Recipient> = recipients.collect();
    // The engine says that it has left, not for where; any home of theirs stands for it.
    let somewhere = recipients.iter().flat_map(|one| one.homes.iter().copied());
    let sent_to = somewhere.filter(|_| receipts.left).collect();
    progress(&Known {
        author: line.id.author,
        seq: line.id.seq,
        recipients: &recipients,
        held: &receipts
            .held_by
            .iter()
            .map(|device| (*device, line.id.seq))
            .collect(),
        sent_to: &sent_to,
        opened: &receipts.opened_by.iter().copied().collect(),
        acknowledged: &receipts.acknowledged_by.iter().copied().collect(),
    })
}

/// The nodes where a person may sign in.
fn homes(clinic: &Clinic, staff: &StaffId) -> BTreeSet<DeviceId> {
    let nodes = clinic.members().map(|(device, _)| *device);
    nodes
        .filter(|device| clinic.is_home(device, staff))
        .collect()
}

pub(super) async fn send(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Named(conversation): Named<String>,
    Json(request): Json<SendRequest>,
) -> Answer<Sent> {
    let staff = caller.staff()?;
    let clinic = api.clinic().await?;
    let space = names::conversation(&clinic, staff, &conversation)?;
    let command = Command::Post {
        staff,
        origin: caller.origin(),
        space,
        written: written(&staff, space, request)?,
    };
    posted(&api, &clinic, &staff, command).await
}

fn written(me: &StaffId, space: Space, request: SendRequest) -> Result<Written, Problem> {
    let SendRequest {
        text,
        reply_to,
        mentions,
        key,
    } = request;
    let answers = reply_to.map(|id| message_from(space, &id)).transpose()?;
    let mentioned = mentions.iter().map(|id| {
        let wrong = || Problem::new(Code::Malformed, "`mentions` holds ids of people");
        StaffId::from_hex(id).ok_or_else(wrong)
    });
    Ok(Written {
        text,
        reply_to: answers,
        mentions: mentioned.collect::<Result<_, _>>()?,
        key: key.map(|key| send_key(me, &key)).transpose()?,
    })
}

fn send_key(me: &StaffId, key: &str) -> Result<SendKey, Problem> {
    if (1..=KEY_MAX).contains(&key.len()) {
        return Ok(SendKey::of(me, key));
    }
    let limits = format!("`key` has 1 to {KEY_MAX} bytes");
    Err(Problem::new(Code::Malformed, limits))
}

pub(super) async fn opened(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Named(conversation): Named<String>,
    Json(request): Json<OpenedRequest>,
) -> Answer<Done> {
    let staff = caller.staff()?;
    let clinic = api.clinic().await?;
    let space = names::conversation(&clinic, staff, &conversation)?;
    let command = Command::Open {
        staff,
        origin: caller.origin(),
        entry: message_from(space, &request.message)?,
    };
    done(&api, command).await
}

pub(super) async fn amend(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Named(conversation): Named<String>,
    Json(request): Json<AmendRequest>,
) -> Answer<Sent> {
    let staff = caller.staff()?;
    let clinic = api.clinic().await?;
    let space = names::conversation(&clinic, staff, &conversation)?;
    let command = Command::Amend {
        staff,
        origin: caller.origin(),
        entry: message_from(space, &request.message)?,
        text: request.text,
    };
    posted(&api, &clinic, &staff, command).await
}

pub(super) async fn retract(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Named(conversation): Named<String>,
    Json(request): Json<RetractRequest>,
) -> Answer<Sent> {
    let staff = caller.staff()?;
    let clinic = api.clinic().await?;
    let space = names::conversation(&clinic, staff, &conversation)?;
    let command = Command::Retract {
        staff,
        origin: caller.origin(),
        entry: message_from(space, &request.message)?,
        reason: request.reason,
    };
    posted(&api, &clinic, &staff, command).await
}

/// Which message's history is asked for.
#[derive(Deserialize)]
pub(super) struct Which {
    message: String,
}

pub(super) async fn history(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Named(conversation): Named<String>,
    Parameters(which): Parameters<Which>,
) -> Answer<HistoryView> {
    let staff = caller.staff()?;
    let clinic = api.clinic().await?;
    let space = names::conversation(&clinic, staff, &conversation)?;
    let command = Command::History {
        staff,
        origin: caller.origin(),
        entry: message_from(space, &which.message)?,
    };
    let view = |version: Version| VersionView {
        written: version.time.into(),
        text: version.text,
    };
    match api.ask(command).await? {
        Reply::History(versions) => Ok(Json(HistoryView {
            versions: versions.into_iter().map(view).collect(),
        })),
        other => Err(unexpected(&other)),
    }
}

/// What is looked for.
#[derive(Deserialize)]
pub(super) struct Looking {
    q: String,
    before: Option<String>,
    limit: Option<usize>,
}

pub(super) async fn search(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Parameters(looking): Parameters<Looking>,
) -> Answer<FoundView> {
    let staff = caller.staff()?;
    let clinic = api.clinic().await?;
    let nothing = || Problem::new(Code::Malformed, "`q` holds at least one word");
    let too_long = looking.q.len() > QUERY_MAX;
    let query = Query::of(&looking.q).filter(|_| !too_long);
    let command = Command::Search {
        staff,
        origin: caller.origin(),
        query: query.ok_or_else(nothing)?,
        before: looking.before.as_deref().map(from_cursor).transpose()?,
        limit: looking.limit.unwrap_or(PAGE).max(1),
    };
    let hit = |line: &MessageLine| HitView {
        conversation: id_of(&line.id.space).unwrap_or_default(),
        name: name_for(&clinic, &staff, &line.id.space),
        message: message_view(&clinic, &staff, line),
    };
    match api.ask(command).await? {
        Reply::Found(found) => Ok(Json(FoundView {
            hits: found.messages.iter().map(hit).collect(),
            more: found.more.as_ref().map(cursor),
            complete: found.complete,
        })),
        other => Err(unexpected(&other)),
    }
}

pub(super) async fn typing(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Named(conversation): Named<String>,
) -> Answer<Done> {
    let staff = caller.staff()?;
    let clinic = api.clinic().await?;
    let space = names::conversation(&clinic, staff, &conversation)?;
    done(&api, Command::Typing { staff, space }).await
}

pub(super) async fn presence(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Answer<PresenceView> {
    let staff = caller.staff()?;
    match api.ask(Command::Presence { staff }).await? {
        Reply::Here(here) => Ok(Json(PresenceView {
            here: here.iter().map(ToString::to_string).collect(),
        })),
        other => Err(unexpected(&other)),
    }
}

pub(super) async fn seen(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Answer<Done> {
    let staff = caller.staff()?;
    done(&api, Command::Seen { staff }).await
}

pub(super) async fn draft(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Named(conversation): Named<String>,
    Json(request): Json<DraftRequest>,
) -> Answer<Done> {
    let staff = caller.staff()?;
    let clinic = api.clinic().await?;
    let space = names::conversation(&clinic, staff, &conversation)?;
    let text = request.text;
    done(&api, Command::Draft { staff, space, text }).await
}

async fn done(api: &Api, command: Command) -> Answer<Done> {
    match api.ask(command).await? {
        Reply::Done => Ok(Json(Done {})),
        other => Err(unexpected(&other)),
    }
}

pub(super) async fn acknowledge(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Named(conversation): Named<String>,
    Json(request): Json<AcknowledgeRequest>,
) -> Answer<Sent> {
    let staff = caller.staff()?;
    let clinic = api.clinic().await?;
    let space = names::conversation(&clinic, staff, &conversation)?;
    let command = Command::Acknowledge {
        staff,
        origin: caller.origin(),
        entry: message_from(space, &request.message)?,
    };
    posted(&api, &clinic, &staff, command).await
}

async fn posted(api: &Api, clinic: &Clinic, me: &StaffId, command: Command) -> Answer<Sent> {
    match api.ask(command).await? {
        Reply::Posted(entry) => Ok(Json(Sent {
            id: message_id(&entry),
            conversation: id_of(&entry.space).unwrap_or_default(),
            name: name_for(clinic, me, &entry.space),
        })),
        other => Err(unexpected(&other)),
    }
}
