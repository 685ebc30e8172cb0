//! Conversations: only ever for a staff member who is signed in.

use axum::extract::{Extension, Path, State};
use serde::Deserialize;

use crate::api::clinic::{device_name, space_name, staff_name};
use crate::api::conversation::{
    AcknowledgeRequest, ConversationView, ConversationsView, DeliveryView, MessageView, PAGE_MAX,
    PageView, SendRequest, Sent, State as Delivered, cursor, from_cursor, id_of, message_from,
    message_id,
};
use crate::domain::id::{AuthorId, StaffId};
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
    let receipts = &line.receipts;
    let others = receipts
        .held_by
        .iter()
        .filter(|device| AuthorId::from(**device) != line.id.author);
    let people = |staff: &[StaffId]| -> Vec<String> {
        staff.iter().map(|one| staff_name(clinic, one)).collect()
    };
    DeliveryView {
        state: match reached(clinic, line) {
            Delivery::OnThisNode => Delivered::OnThisNode,
            Delivery::Left => Delivered::Left,
            Delivery::StoredAtTheirs => Delivered::StoredAtTheirs,
            Delivery::Opened => Delivered::Opened,
            Delivery::Acknowledged => Delivered::Acknowledged,
        },
        stored_at: others.map(|device| device_name(clinic, device)).collect(),
        opened_by: people(&receipts.opened_by),
        acknowledged_by: people(&receipts.acknowledged_by),
    }
}

fn reached(clinic: &Clinic, line: &MessageLine) -> Delivery {
    let members = clinic.people(&line.id.space);
    let others: Vec<StaffId> = members
        .into_iter()
        .filter(|one| *one != line.staff)
        .collect();
    let receipts = &line.receipts;
    let stored = |staff: &StaffId| {
        let holders = receipts.held_by.iter();
        holders
            .into_iter()
            .any(|device| clinic.is_home(device, staff))
    };
    if receipts
        .acknowledged_by
        .iter()
        .any(|staff| *staff != line.staff)
    {
        Delivery::Acknowledged
    } else if !others.is_empty()
        && others
            .iter()
            .all(|staff| receipts.opened_by.contains(staff))
    {
        Delivery::Opened
    } else if !others.is_empty() && others.iter().all(stored) {
        Delivery::StoredAtTheirs
    } else if receipts.left {
        Delivery::Left
    } else {
        Delivery::OnThisNode
    }
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
