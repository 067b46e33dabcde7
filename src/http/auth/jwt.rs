//! The one thing that is read out of a token: when it expires. Whether it is genuine, others say.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

/// When a token expires, in seconds since 1970, if it is a JSON Web Token that says so.
pub(super) fn expiry(token: &str) -> Option<i64> {
    #[derive(Deserialize)]
    struct Claims {
        exp: f64,
    }
    let mut parts = token.split('.');
    let (Some(_), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return None;
    };
    let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    // Beyond the range of the type it becomes the last value there, as it should.
    Some(claims.exp.floor() as i64)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A token with these claims.
    pub(in super::super) fn token(claims: &str) -> String {
        format!("e30.{}.c2lnbmF0dXJl", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn the_time_is_read_where_there_is_one() {
        assert_eq!(expiry(&token(r#"{"exp": 1700000000, "sub": "ada"}"#)), Some(1_700_000_000));
        assert_eq!(expiry(&token(r#"{"exp": 1700000000.9}"#)), Some(1_700_000_000));
        assert_eq!(expiry(&token(r#"{"exp": 1e300}"#)), Some(i64::MAX));
        for none in [
            "",
            "static-token",
            "a.b",
            "a.b.c",
            "e30.!!.x",
            &token("{}"),
            &token("[]"),
            &token(r#"{"exp": "soon"}"#),
            &format!("{}.d", token(r#"{"exp": 1}"#)),
        ] {
            assert_eq!(expiry(none), None, "{none}");
        }
    }
}
