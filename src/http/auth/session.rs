//! Browser sessions: a signed cookie, and nothing kept on the server.

use axum::http::{HeaderMap, header};
use jiff::{SignedDuration, Timestamp};
use ring::hmac;

/// The name of the cookie.
pub const COOKIE: &str = "jobwright_session";

/// How long a session lasts.
const LIFETIME: SignedDuration = SignedDuration::from_hours(12);

/// Issues and reads session cookies: `NAME:EXPIRY:SIGNATURE`, where the signature also covers the digest of the
/// token that the session was opened with, so that it ends when that token is taken away.
pub struct Sessions {
    key: hmac::Key,
    secure: bool,
}

impl Sessions {
    /// Signs with a key that is derived from `secret`. `secure` cookies are sent over HTTPS only.
    pub fn new(secret: &[u8], secure: bool) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let derived = hmac::sign(&root, b"jobwright browser sessions");
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()), secure }
    }

    /// The `Set-Cookie` value of a new session.
    pub(super) fn issue(&self, name: &str, token_digest: &str, now: Timestamp) -> String {
        let expiry = now.as_second() + LIFETIME.as_secs();
        let signature = hmac::sign(&self.key, message(name, expiry, token_digest).as_bytes());
        let signature: String = signature.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        self.set(&format!("{name}:{expiry}:{signature}"), LIFETIME.as_secs())
    }

    /// The `Set-Cookie` value that removes the cookie.
    pub(super) fn clear(&self) -> String {
        self.set("", 0)
    }

    fn set(&self, value: &str, age: i64) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        format!("{COOKIE}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}")
    }

    /// The name that a session belongs to, if its signature holds and it has not expired. `digest_of` gives the
    /// digest of a name's token as it is now.
    pub(super) fn name_of(
        &self,
        cookie: &str,
        now: Timestamp,
        digest_of: impl FnOnce(&str) -> Option<String>,
    ) -> Option<String> {
        let mut parts = cookie.splitn(3, ':');
        let (name, expiry, signature) = (parts.next()?, parts.next()?, parts.next()?);
        let expiry: i64 = expiry.parse().ok()?;
        if expiry <= now.as_second() {
            return None;
        }
        let message = message(name, expiry, &digest_of(name)?);
        hmac::verify(&self.key, message.as_bytes(), &unhex(signature)?).ok()?;
        Some(name.to_owned())
    }
}

fn message(name: &str, expiry: i64, token_digest: &str) -> String {
    format!("{name}:{expiry}:{token_digest}")
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| {
            let digit = |at: usize| char::from(*pair.get(at)?).to_digit(16);
            u8::try_from(digit(0)? * 16 + digit(1)?).ok()
        })
        .collect()
}

/// The session cookie of a request.
pub(super) fn cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == COOKIE && !value.is_empty()).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(set_cookie: &str) -> String {
        let pair = set_cookie.split(';').next().unwrap();
        pair.split_once('=').unwrap().1.to_owned()
    }

    #[test]
    fn a_session_lasts_as_long_as_its_time_its_key_and_its_token() {
        let sessions = Sessions::new(b"secret", true);
        let now = Timestamp::from_second(1_000_000).unwrap();
        let cookie = sessions.issue("ada", "digest", now);
        assert!(cookie.contains("; HttpOnly; SameSite=Strict; Secure"), "{cookie}");
        let cookie = value(&cookie);
        let digest = |_: &str| Some("digest".to_owned());
        assert_eq!(sessions.name_of(&cookie, now, digest).as_deref(), Some("ada"));

        let later = now + LIFETIME;
        assert_eq!(sessions.name_of(&cookie, later, digest), None, "expired");
        let changed = |_: &str| Some("another".to_owned());
        assert_eq!(sessions.name_of(&cookie, now, changed), None, "token changed");
        assert_eq!(sessions.name_of(&cookie, now, |_| None), None, "token gone");
        let others = Sessions::new(b"another secret", true);
        assert_eq!(others.name_of(&cookie, now, digest), None, "another server's");
    }

    #[test]
    fn a_session_cannot_be_made_up() {
        let sessions = Sessions::new(b"secret", false);
        let now = Timestamp::from_second(1_000_000).unwrap();
        let cookie = value(&sessions.issue("ada", "digest", now));
        let digest = |_: &str| Some("digest".to_owned());
        for forged in [
            cookie.replace("ada", "bob"),
            cookie.replacen("1043200", "9999999", 1),
            cookie[..cookie.len() - 2].to_owned(),
            format!("{cookie}0"),
            "ada:9999999:".to_owned(),
            "ada:9999999:zz".to_owned(),
            "ada".to_owned(),
            String::new(),
        ] {
            assert_ne!(forged, cookie);
            assert_eq!(sessions.name_of(&forged, now, digest), None, "{forged}");
        }
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, "a=b; jobwright_session=x:1:2; c=d".parse().unwrap());
        assert_eq!(cookie(&headers), Some("x:1:2"));
        headers.insert(header::COOKIE, "a=b".parse().unwrap());
        assert_eq!(cookie(&headers), None);
    }
}
