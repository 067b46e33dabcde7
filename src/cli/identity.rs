//! Whose records these are, said from outside of the data folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::job::InstallationId;
use crate::store::Identity;

/// The installation's ID and key, where they are to outlive the data folder.
#[derive(Debug, Clone, clap::Args)]
pub struct IdentityArgs {
    /// The installation's ID, which its objects carry, for records that are new [default: a random one]
    #[arg(long, value_name = "ID", env = "JOBWRIGHT_INSTALLATION")]
    installation: Option<InstallationId>,

    /// A file with the key that the installation signs with, 64 hexadecimal digits, for records that are new [default: a
    /// random key, kept with the records]
    #[arg(long, value_name = "FILE", env = "JOBWRIGHT_KEY_FILE")]
    key_file: Option<PathBuf>,
}

impl IdentityArgs {
    /// Reads the key's file, if there is one.
    pub fn read(&self) -> anyhow::Result<Identity> {
        let key = self.key_file.as_deref().map(read_key).transpose()?;
        Ok(Identity { installation: self.installation.clone(), key })
    }
}

fn read_key(file: &Path) -> anyhow::Result<[u8; 32]> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read the key file {}", file.display()))?;
    match key(text.trim()) {
        Some(key) => Ok(key),
        None => bail!(
            "the key file {} does not hold 64 hexadecimal digits; to make one: openssl rand -hex 32 > {}",
            file.display(),
            file.display()
        ),
    }
}

fn key(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut key = [0; 32];
    for (index, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_64_hexadecimal_digits() {
        assert_eq!(key(&"0f".repeat(32)), Some([15; 32]));
        for wrong in ["", &"0f".repeat(31), &"0f".repeat(33), &"0g".repeat(32), &"+f".repeat(32), &"é".repeat(32)] {
            assert_eq!(key(wrong), None, "{wrong}");
        }
    }
}
