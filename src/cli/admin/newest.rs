//! The record for whoever looks at it and signs nothing.

use std::path::Path;

use super::no_authority;
use crate::authority;
use crate::cli::{Context, Failure};
use crate::domain::copy::RecordCopy;

/// The copy of the record in the authority's directory with what the running node has besides.
///
/// The copy is as new as the last command that signed. What a thief signed with a copy of an admin's key is at
/// the node and not in it, so whoever looks must not be shown the copy as if it were all.
pub(crate) fn newest_record(path: &Path, context: &Context) -> Result<RecordCopy, Failure> {
    let mut record = authority::record(path).map_err(|error| no_authority(path, error))?;
    let client = context.client();
    let asked = context.block_on(async { Ok(client.record().await) })?;
    let why = match asked {
        Ok(theirs) => match record.merge(theirs) {
            Ok(_) => return Ok(record),
            Err(why) => why.to_string(),
        },
        Err(why) => Failure::from(why).message,
    };
    let newest = record.newest().wall();
    context.output.note(&format!(
        "note: the newest that is known here is of {newest}; what was signed elsewhere since is not shown, for \
         no node of the clinic could be asked ({why})"
    ));
    Ok(record)
}
