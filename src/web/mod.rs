//! The HTTP doors: routes, logins, live events.
