//! Bugs planted on purpose, to see that the simulator finds them.
//!
//! Without the feature `planted` every question here is the constant `false` and nothing of it is
//! left in the program. With it, a thread has at most one bug, chosen by name; a thread that chose
//! none is sound.

/// Whether the bug of this name is planted in this thread; without the feature, none ever is.
#[cfg(feature = "planted")]
macro_rules! planted {
    ($name:literal) => {
        $crate::planted::is($name)
    };
}
#[cfg(not(feature = "planted"))]
macro_rules! planted {
    ($name:literal) => {
        false
    };
}

pub(crate) use planted;

#[cfg(feature = "planted")]
thread_local! {
    static BUG: std::cell::Cell<Option<&'static str>> = const { std::cell::Cell::new(None) };
}

/// Plants one bug in this thread, or none.
#[cfg(feature = "planted")]
pub fn plant(name: Option<&'static str>) {
    BUG.with(|bug| bug.set(name));
}

#[cfg(feature = "planted")]
pub(crate) fn is(name: &str) -> bool {
    BUG.with(|bug| bug.get() == Some(name))
}
