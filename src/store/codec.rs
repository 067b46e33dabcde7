//! How values are written. A value is a frame (version, flags, number of chunks, CRC-32 of the payload) and a payload of
//! JSON, deflated where it is long. Long payloads span several rows: sled keeps up to 17 rows in one page, and puts pages beyond 1 MiB
//! into files of their own, which the chunk size keeps from happening.

use std::io::{Read, Write};

use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::job::Intent;

/// The version that this code writes, and the newest that it reads.
pub(super) const VERSION: u8 = 1;
/// The longest value of a row, in bytes.
pub(super) const CHUNK: usize = 7 * 1024;
/// What is longer than this is deflated, in bytes.
const DEFLATE_FROM: usize = 2 * 1024;
/// No value decodes to more than this, in bytes, so that a damaged one cannot take all memory.
const LONGEST: u64 = 64 << 20;

const DEFLATED: u8 = 1;
const FRAME: usize = 8;

/// A value that cannot be read back; the text says why.
pub(super) type Undecodable = String;

/// An encoded value: a frame and its payload.
#[derive(Debug, Clone)]
pub(super) struct Blob(Vec<u8>);

impl Blob {
    pub(super) fn of(value: &impl Serialize) -> Self {
        let mut bytes = vec![VERSION, 0, 0, 0, 0, 0, 0, 0];
        // The records are plain data with text keys, which always serialise; a Vec takes every write.
        let _infallible = serde_json::to_writer(&mut bytes, value);
        if bytes.len() > DEFLATE_FROM {
            let head = vec![VERSION, DEFLATED, 0, 0, 0, 0, 0, 0];
            let mut encoder = DeflateEncoder::new(head, Compression::fast());
            if encoder.write_all(&bytes[FRAME..]).is_ok()
                && let Ok(deflated) = encoder.finish()
                && deflated.len() < bytes.len()
            {
                bytes = deflated;
            }
        }
        let chunks = bytes.len().div_ceil(CHUNK) as u16;
        bytes[2..4].copy_from_slice(&chunks.to_be_bytes());
        let crc = crc(&bytes[FRAME..]);
        bytes[4..FRAME].copy_from_slice(&crc.to_be_bytes());
        Self(bytes)
    }

    /// The rows that hold it.
    pub(super) fn chunks(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.0.chunks(CHUNK)
    }

    /// The whole of it, for a value that has one row whatever its length.
    pub(super) fn into_row(self) -> Vec<u8> {
        self.0
    }
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// How many rows a value has, by its first row.
pub(super) fn chunk_count(first: &[u8]) -> Result<u16, Undecodable> {
    match first {
        [VERSION, _, high, low, ..] => Ok(u16::from_be_bytes([*high, *low])),
        [version, _, _, _, ..] => {
            Err(format!("a value has version {version}, and this jobwright knows versions up to {VERSION}"))
        }
        _ => Err("a value is cut short".to_owned()),
    }
}

/// Reads a value from its rows, put together.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Undecodable> {
    chunk_count(bytes)?;
    let Some(([_, flags, _, _, expected @ ..], payload)) = bytes.split_first_chunk::<FRAME>() else {
        return Err("a value is cut short".to_owned());
    };
    let flags = *flags;
    if crc(payload) != u32::from_be_bytes(*expected) {
        return Err("a value does not have the checksum that it was written with".to_owned());
    }
    let plain;
    let json = match flags {
        0 => payload,
        DEFLATED => {
            let mut out = Vec::with_capacity(payload.len() * 4);
            DeflateDecoder::new(payload)
                .take(LONGEST)
                .read_to_end(&mut out)
                .map_err(|error| format!("a value does not inflate: {error}"))?;
            plain = out;
            &plain
        }
        other => return Err(format!("a value has unknown flags {other:#04x}")),
    };
    serde_json::from_slice(json).map_err(|error| format!("a value does not parse: {error}"))
}

/// Takes the manifests, which no list shows, apart from the rest of an intent.
pub(super) fn split_intent(intent: &Intent) -> (Intent, (Value, Option<Value>)) {
    let rest = Intent {
        manifest: Value::Null,
        masked: None,
        id: intent.id.clone(),
        name: intent.name.clone(),
        template: intent.template.clone(),
        parameters: intent.parameters.clone(),
        secrets: intent.secrets.clone(),
        default_secrets: intent.default_secrets.clone(),
        fingerprint: intent.fingerprint.clone(),
        object_name: intent.object_name.clone(),
        namespace: intent.namespace.clone(),
        digest: intent.digest.clone(),
        commit: intent.commit.clone(),
        ttl_seconds: intent.ttl_seconds,
        rerun_of: intent.rerun_of.clone(),
        created: intent.created,
        rebuilt: intent.rebuilt,
    };
    (rest, (intent.manifest.clone(), intent.masked.clone()))
}

/// Puts an intent together again.
pub(super) fn join_intent(rest: Intent, (manifest, masked): (Value, Option<Value>)) -> Intent {
    Intent { manifest, masked, ..rest }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_value_comes_back(text in "\\PC{0,200}", times in 0_usize..2000) {
            let value = Value::String(text.repeat(times));
            let blob = Blob::of(&value);
            let rows: Vec<&[u8]> = blob.chunks().collect();
            prop_assert!(rows.iter().all(|row| row.len() <= CHUNK));
            prop_assert_eq!(usize::from(chunk_count(rows[0]).unwrap()), rows.len());
            prop_assert_eq!(decode::<Value>(&rows.concat()).unwrap(), value);
        }

        #[test]
        fn damaged_values_are_refused_not_trusted(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _never_panics = decode::<Value>(&bytes);
        }
    }

    #[test]
    fn a_newer_version_is_named() {
        let error = decode::<Value>(&[9, 0, 0, 1, b'1']).unwrap_err();
        assert_eq!(error, "a value has version 9, and this jobwright knows versions up to 1");
    }
}
