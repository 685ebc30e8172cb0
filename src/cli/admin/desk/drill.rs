//! Reminds of the recovery drill, beside what an admin came for.

use std::cell::Cell;

use crate::authority::{Authority, KeptSet};
use crate::cli::Context;
use crate::cli::output::date;
use crate::domain::time::WallTime;

/// Says once in a command that somebody should try the recovery shares.
///
/// A file about them that cannot be read keeps nobody from signing: `authority show` names it.
pub(super) fn remind(authority: &Authority, context: &Context) {
    let kept = authority.kept_set().ok().flatten();
    let now = context.clock.now();
    if let Some(said) = kept.and_then(|kept| reminder(&kept, now, &context.drill_said)) {
        context.output.note(&context.typed(&said));
    }
}

/// What is said of the drill, if it is overdue and was not said before.
fn reminder(kept: &KeptSet, now: WallTime, said: &Cell<bool>) -> Option<String> {
    if !kept.overdue(now) || said.replace(true) {
        return None;
    }
    let late = match &kept.drill {
        None => "the recovery shares were never tried".to_owned(),
        Some(drill) => format!(
            "the yearly recovery drill is overdue: the last was {}",
            date(drill.at)
        ),
    };
    Some(format!(
        "note: {late}. Have {} sheets brought and run `clinic-mesh authority shares check`",
        kept.threshold
    ))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::authority::{DRILL_LIFE, Drill};
    use crate::domain::testing::NOON;

    #[test]
    fn an_overdue_drill_is_said_once_in_a_command_and_one_that_is_not_due_never() {
        let mut kept = KeptSet::sample(2);
        let said = |kept: &KeptSet, now| reminder(kept, now, &Cell::new(false));
        let never = said(&kept, NOON).expect("never tried");
        for words in ["never tried", "2 sheets", "authority shares check"] {
            assert!(never.contains(words), "{words} in {never}");
        }
        kept.drill = Some(Drill {
            at: NOON,
            numbers: vec![1, 3],
        });
        let due = NOON.plus(DRILL_LIFE);
        assert_eq!(said(&kept, due.minus(Duration::from_secs(1))), None);
        let late = said(&kept, due).expect("a year after");
        assert!(late.contains("overdue: the last was 2026-11-21"), "{late}");
        let once = Cell::new(false);
        assert!(reminder(&kept, due, &once).is_some());
        assert_eq!(reminder(&kept, due, &once), None);
    }
}
