//! The cookie that holds a browser's login.

use axum::http::{HeaderMap, HeaderValue, header};

use super::Site;

/// The token in a request's cookies; none if there is none, or more than one.
///
/// Two cookies of our name mean that somebody else has set one: which is ours cannot be told.
pub(in crate::web) fn of_login<'a>(site: &Site, headers: &'a HeaderMap) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).into_iter();
    let pairs = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let mut ours = pairs
        .filter(|(name, _)| *name == site.cookie())
        .map(|(_, value)| value);
    match (ours.next(), ours.next()) {
        (Some(token), None) => Some(token),
        _ => None,
    }
}

/// Gives a browser its login. It ends when the browser closes, and earlier when the node says so.
pub(in crate::web) fn set(site: &Site, token: &str) -> HeaderValue {
    line(site, token, "")
}

/// Takes it away.
pub(in crate::web) fn cleared(site: &Site) -> HeaderValue {
    line(site, "", "; Max-Age=0")
}

fn line(site: &Site, token: &str, more: &str) -> HeaderValue {
    let secure = if site.is_secure() { "; Secure" } else { "" };
    let text = format!(
        "{}={token}; Path=/; HttpOnly; SameSite=Strict{secure}{more}",
        site.cookie()
    );
    HeaderValue::from_str(&text).expect("a token is hex and a cookie's name is ours")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(cookies: &[&'static str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in cookies {
            headers.append(header::COOKIE, HeaderValue::from_static(line));
        }
        let site = Site::network(&["ward.elm.internal".to_owned()], 443);
        of_login(&site, &headers).map(str::to_owned)
    }

    #[test]
    fn the_login_is_found_among_other_cookies() {
        assert_eq!(
            shown(&["a=b; __Host-clinic-mesh=token;c=d"]),
            Some("token".to_owned())
        );
        assert_eq!(
            shown(&["a=b", "__Host-clinic-mesh=x"]),
            Some("x".to_owned())
        );
        assert_eq!(shown(&["clinic-mesh=token"]), None);
    }

    #[test]
    fn two_cookies_of_one_name_are_no_login() {
        assert_eq!(shown(&["__Host-clinic-mesh=a; __Host-clinic-mesh=b"]), None);
        assert_eq!(
            shown(&["__Host-clinic-mesh=a", "__Host-clinic-mesh=b"]),
            None
        );
    }

    #[test]
    fn the_cookie_is_out_of_reach_of_scripts_and_other_sites() {
        let secure = Site::network(&["ward.elm.internal".to_owned()], 443);
        assert_eq!(
            set(&secure, "abc"),
            "__Host-clinic-mesh=abc; Path=/; HttpOnly; SameSite=Strict; Secure"
        );
        assert_eq!(
            cleared(&Site::loopback(8000)),
            "clinic-mesh-login-8000=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0"
        );
    }
}
