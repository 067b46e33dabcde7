//! Browser sessions: a signed cookie, and nothing kept on the server.

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use ring::hmac;
use serde::{Deserialize, Serialize};

use crate::executor::review::User;

/// The name of the cookie.
pub const COOKIE: &str = "jobwright_session";

/// How long a session lasts.
const LIFETIME: SignedDuration = SignedDuration::from_hours(12);

/// How long a cookie may be with its name and attributes: browsers silently drop longer ones.
const LONGEST: usize = 4096;

/// Issues and reads session cookies. There are two kinds, each with a key of its own:
///
/// - for the owner of a token in a file, `NAME:EXPIRY:SIGNATURE`, where the signature also covers the digest of the
///   token that the session was opened with, so that it ends when that token is taken away;
/// - for a user of a cluster, `CLAIMS.SIGNATURE`, where the claims hold all that the cluster needs to be told to say
///   what this user may do.
pub struct Sessions {
    key: hmac::Key,
    user_key: hmac::Key,
    secure: bool,
}

/// What a user's session says.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    user: User,
    /// In seconds since 1970.
    expiry: i64,
}

/// A user of whom there is more to be said than fits into a cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLarge;

impl Sessions {
    /// Signs with a key that is derived from `secret`. `secure` cookies are sent over HTTPS only.
    pub fn new(secret: &[u8], secure: bool) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let derived = |purpose| hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&root, purpose).as_ref());
        Self { key: derived(b"jobwright browser sessions"), user_key: derived(b"jobwright sessions of users"), secure }
    }

    /// The `Set-Cookie` value of a new session.
    pub(super) fn issue(&self, name: &str, token_digest: &str, now: Timestamp) -> String {
        let expiry = now.as_second() + LIFETIME.as_secs();
        let signature = sign(&self.key, &message(name, expiry, token_digest));
        self.set(&format!("{name}:{expiry}:{signature}"), LIFETIME.as_secs())
    }

    /// The `Set-Cookie` value of a new session of a cluster's user, which ends no later than the token does.
    pub(super) fn issue_to_user(
        &self,
        user: &User,
        token_expiry: Option<i64>,
        now: Timestamp,
    ) -> Result<String, TooLarge> {
        let latest = now.as_second() + LIFETIME.as_secs();
        let expiry = token_expiry.map_or(latest, |expiry| expiry.min(latest));
        // Strings, lists and numbers: there is nothing in it that JSON cannot hold.
        let claims = serde_json::to_vec(&Claims { user: user.clone(), expiry }).unwrap_or_default();
        let claims = URL_SAFE_NO_PAD.encode(claims);
        let signature = sign(&self.user_key, &claims);
        let cookie = self.set(&format!("{claims}.{signature}"), (expiry - now.as_second()).max(0));
        if cookie.len() > LONGEST { Err(TooLarge) } else { Ok(cookie) }
    }

    /// The user that a session belongs to, if its signature holds and it has not expired.
    pub(super) fn user_of(&self, cookie: &str, now: Timestamp) -> Option<User> {
        let (claims, signature) = cookie.split_once('.')?;
        hmac::verify(&self.user_key, claims.as_bytes(), &unhex(signature)?).ok()?;
        let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
        (claims.expiry > now.as_second()).then_some(claims.user)
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

fn sign(key: &hmac::Key, message: &str) -> String {
    let signature = hmac::sign(key, message.as_bytes());
    signature.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
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

    fn ada() -> User {
        User {
            name: "system:serviceaccount:team:ada".to_owned(),
            uid: Some("7".to_owned()),
            groups: vec!["dev".to_owned(), "system:authenticated".to_owned()],
            extra: [("scopes".to_owned(), vec!["jobs".to_owned()])].into(),
        }
    }

    #[test]
    fn a_users_session_holds_all_that_is_known_of_them() {
        let sessions = Sessions::new(b"secret", true);
        let now = Timestamp::from_second(1_000_000).unwrap();
        let cookie = sessions.issue_to_user(&ada(), None, now).unwrap();
        assert!(cookie.contains("; Max-Age=43200; HttpOnly; SameSite=Strict; Secure"), "{cookie}");
        let cookie = value(&cookie);
        assert_eq!(sessions.user_of(&cookie, now), Some(ada()));
        assert_eq!(sessions.user_of(&cookie, now + LIFETIME), None, "expired");
        assert_eq!(Sessions::new(b"another", true).user_of(&cookie, now), None, "another server's");
    }

    #[test]
    fn a_users_session_ends_with_the_token_at_the_latest() {
        let sessions = Sessions::new(b"secret", false);
        let now = Timestamp::from_second(1_000_000).unwrap();
        let cookie = sessions.issue_to_user(&ada(), Some(1_000_600), now).unwrap();
        assert!(cookie.contains("; Max-Age=600;"), "{cookie}");
        let at = |second| sessions.user_of(&value(&cookie), Timestamp::from_second(second).unwrap());
        assert_eq!((at(1_000_599), at(1_000_600)), (Some(ada()), None));
        let cookie = sessions.issue_to_user(&ada(), Some(9_000_000), now).unwrap();
        assert!(cookie.contains("; Max-Age=43200;"), "{cookie}");
    }

    #[test]
    fn a_users_session_cannot_be_made_up() {
        let sessions = Sessions::new(b"secret", false);
        let now = Timestamp::from_second(1_000_000).unwrap();
        let cookie = value(&sessions.issue_to_user(&ada(), None, now).unwrap());
        let (claims, signature) = cookie.split_once('.').unwrap();
        let root = URL_SAFE_NO_PAD.encode(r#"{"user":{"name":"root","groups":["system:masters"]},"expiry":9000000}"#);
        let of_a_file = value(&sessions.issue("ada", "digest", now));
        let signed_for_a_file = format!("{root}.{}", sign(&sessions.key, &root));
        for forged in [
            &format!("{root}.{signature}"),
            &format!("{claims}."),
            &format!("{claims}.zz"),
            &format!("{cookie}00"),
            &cookie[..cookie.len() - 2],
            claims,
            &of_a_file,
            &signed_for_a_file,
            "",
        ] {
            assert_eq!(sessions.user_of(forged, now), None, "{forged}");
        }
        assert_eq!(sessions.name_of(&cookie, now, |_| Some("digest".to_owned())), None);
    }

    #[test]
    fn a_user_in_too_many_groups_for_a_cookie_gets_none() {
        let sessions = Sessions::new(b"secret", true);
        let now = Timestamp::from_second(1_000_000).unwrap();
        let in_groups = |count: usize| User { groups: (0..count).map(|n| format!("group-{n:010}")).collect(), ..ada() };
        let fits = sessions.issue_to_user(&in_groups(100), None, now).unwrap();
        assert!(fits.len() <= LONGEST);
        assert_eq!(sessions.issue_to_user(&in_groups(200), None, now), Err(TooLarge));
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
