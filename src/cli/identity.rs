//! Whose records these are, said from outside of the data folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::job::InstallationId;
use crate::store::{Identity, key_from_hex};

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
    match key_from_hex(text.trim()) {
        Some(key) => Ok(key),
        None => bail!(
            "the key file {} does not hold 64 hexadecimal digits; to make one: openssl rand -hex 32 > {}",
            file.display(),
            file.display()
        ),
    }
}
