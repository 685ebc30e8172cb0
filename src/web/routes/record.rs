//! The clinic record, for admins' tools on this machine.

use axum::extract::State;
use serde::Deserialize;

use crate::api::blob;
use crate::api::record::{EndsView, RecordPart, SubmitRequest, Submitted, VoidStatement};
use crate::api::revocation::RevocationsView;
use crate::domain::trust::MeshKey;
use crate::node::engine::{Command, Reply};
use crate::web::answer::{Answer, Json, Named, Parameters};
use crate::web::names;
use crate::web::state::{Api, unexpected};

/// Bytes of base64 after which a part of the record ends.
const PART: usize = 512 * 1024;

/// Where a part begins.
#[derive(Deserialize)]
pub(super) struct From {
    from: Option<usize>,
}

pub(super) async fn record(
    State(api): State<Api>,
    Parameters(From { from }): Parameters<From>,
) -> Answer<RecordPart> {
    let all = match api.ask(Command::Record).await? {
        Reply::Record(segments) => segments,
        other => return Err(unexpected(&other)),
    };
    let from = from.unwrap_or_default();
    let (mut segments, mut bytes, mut next) = (Vec::new(), 0, None);
    for (number, segment) in all.iter().enumerate().skip(from) {
        if bytes >= PART {
            next = Some(number);
            break;
        }
        let text = blob::wrap(segment);
        bytes += text.len();
        segments.push(text);
    }
    Ok(Json(RecordPart { segments, next }))
}

pub(super) async fn submit(
    State(api): State<Api>,
    Json(request): Json<SubmitRequest>,
) -> Answer<Submitted> {
    let segments = request.segments.iter().map(|text| blob::unwrap(text));
    let keys = request.mesh_keys.iter().map(|text| {
        let key = blob::unwrap_key(&text.key)?;
        Ok((text.epoch, MeshKey::new(key)))
    });
    let command = Command::Submit {
        segments: segments.collect::<Result<_, _>>()?,
        mesh_keys: keys.collect::<Result<_, _>>()?,
    };
    match api.ask(command).await? {
        Reply::Submitted(void) => {
            let void = void.iter().map(|(id, why)| VoidStatement {
                author: id.author.to_string(),
                seq: id.seq,
                why: why.to_string(),
            });
            Ok(Json(Submitted {
                void: void.collect(),
            }))
        }
        other => Err(unexpected(&other)),
    }
}

pub(super) async fn revocations(State(api): State<Api>) -> Answer<RevocationsView> {
    let clinic = api.clinic().await?;
    match api.ask(Command::Revocations).await? {
        Reply::Revocations(reports) => Ok(Json(RevocationsView::of(&clinic, &reports))),
        other => Err(unexpected(&other)),
    }
}

pub(super) async fn ends(State(api): State<Api>, Named(device): Named<String>) -> Answer<EndsView> {
    let device = names::device(&*api.clinic().await?, &device)?;
    match api.ask(Command::EndsOf { device }).await? {
        Reply::Ends(ends) => Ok(Json(EndsView {
            ends: ends.iter().map(blob::wrap).collect(),
        })),
        other => Err(unexpected(&other)),
    }
}
