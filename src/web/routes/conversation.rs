//! Conversations: only ever for a staff member who is signed in.

use std::collections::BTreeSet;

use axum::extract::{Extension, Path, State};
use serde::Deserialize;

use crate::api::clinic::{device_name, space_name, staff_name};
use crate::api::conversation::{
    AcknowledgeRequest, ConversationView, ConversationsView, DeliveryView, MessageView, PAGE_MAX,
    PageView, SendRequest, Sent, State as Delivered, cursor, from_cursor, id_of, message_from,
    message_id,
};
use crate::domain::delivery::{Known, Progress, Recipient, progress};
use crate::domain::id::{AuthorId, DeviceId, StaffId};
use crate::domain::message::Delivery;
use crate::domain::record::Clinic;
use crate::domain::space::Space;
use crate::node::engine::{Command, ConversationLine, MessageLine, Page, Reply, Standing};
use crate::web::access::Caller;
use crate::web::answer::{Answer, Json, Parameters};
use crate::web::names;
use crate::web::state::{Api, unexpected};

/// Messages in a page unless asked otherwise: two screens.
const PAGE: usize = 50;

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
    let mut members: Vec<String> = line
        .members
        .iter()
        .map(|staff| staff_name(clinic, staff))
        .collect();
    members.sort();
    Some(ConversationView {
        id: id_of(&line.space)?,
        kind: match line.space {
            Space::Direct(..) => "direct".to_owned(),
            _ => "room".to_owned(),
        },
        name: name_for(clinic, me, &line.space),
        members,
        newest: line.newest.map(Into::into),
    })
}

/// What one of its members calls a conversation: the room, or the other person.
fn name_for(clinic: &Clinic, me: &StaffId, space: &Space) -> String {
    match space {
        Space::Direct(one, other) if one == me => staff_name(clinic, other),
        Space::Direct(one, other) if other == me => staff_name(clinic, one),
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
    Path(conversation): Path<String>,
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
            .map(|line| message_view(clinic, line))
            .collect(),
        earlier: page.earlier.as_ref().map(cursor),
    }
}

fn message_view(clinic: &Clinic, line: &MessageLine) -> MessageView {
    MessageView {
        id: message_id(&line.id),
        written: line.time.into(),
        staff: line.staff.to_string(),
        by: staff_name(clinic, &line.staff),
        text: line.text.clone(),
        before_removal_was_known: line.standing == Standing::BeforeRemovalWasKnown,
        delivery: delivery_view(clinic, line),
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
    Path(conversation): Path<String>,
    Json(request): Json<SendRequest>,
) -> Answer<Sent> {
    let staff = caller.staff()?;
    let clinic = api.clinic().await?;
    let space = names::conversation(&clinic, staff, &conversation)?;
    let command = Command::Post {
        staff,
        origin: caller.origin(),
        space,
        text: request.text,
    };
    posted(&api, &clinic, &staff, command).await
}

pub(super) async fn acknowledge(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(conversation): Path<String>,
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
