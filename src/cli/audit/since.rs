//! From when on: a date, a time, or so long ago.

use std::time::Duration;

use crate::domain::time::WallTime;

/// A moment as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Since {
    /// So long before the present.
    Ago(Duration),
    /// A moment of this machine's calendar.
    At(WallTime),
}

impl Since {
    /// The moment, as seen from the present.
    pub(super) const fn from(self, now: WallTime) -> WallTime {
        match self {
            Self::Ago(span) => now.minus(span),
            Self::At(at) => at,
        }
    }
}

/// Reads "2026-11-21", "2026-11-21 14:05", "3d", "12h" or "45m".
pub(super) fn parse(text: &str) -> Result<Since, String> {
    if let Some(span) = ago(text) {
        return Ok(Since::Ago(span));
    }
    let zone = jiff::tz::TimeZone::system();
    let day = || {
        text.parse::<jiff::civil::Date>()
            .ok()
            .map(|day| day.at(0, 0, 0, 0))
    };
    let time = || jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M", text).ok();
    let at = time().or_else(day).and_then(|at| at.to_zoned(zone).ok());
    let at = at.and_then(|at| u64::try_from(at.timestamp().as_millisecond()).ok());
    at.map(|ms| Since::At(WallTime(ms)))
        .ok_or_else(|| "write it like 2026-11-21, \"2026-11-21 14:05\", 3d, 12h or 45m".to_owned())
}

fn ago(text: &str) -> Option<Duration> {
    let unit = match text.chars().last()? {
        'd' => 86_400,
        'h' => 3600,
        'm' => 60,
        _ => return None,
    };
    let count: u64 = text[..text.len() - 1].parse().ok()?;
    Some(Duration::from_secs(count.checked_mul(unit)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_dates_and_times_are_read_and_anything_else_is_explained() {
        assert_eq!(parse("3d"), Ok(Since::Ago(Duration::from_secs(3 * 86_400))));
        assert_eq!(parse("45m"), Ok(Since::Ago(Duration::from_secs(45 * 60))));
        assert!(matches!(parse("2026-11-21"), Ok(Since::At(_))));
        let (Ok(Since::At(day)), Ok(Since::At(time))) =
            (parse("2026-11-21"), parse("2026-11-21 14:05"))
        else {
            panic!("both are moments");
        };
        assert_eq!(time.0 - day.0, (14 * 60 + 5) * 60_000);
        for bad in [
            "",
            "d",
            "yesterday",
            "2026-13-01",
            "-3d",
            "99999999999999999999d",
            "é",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
