//! What every store holds: whose records it has, its counters, and whether records may be missing.

use std::path::Path;

use super::backend::{Backend, Op};
use super::codec::Blob;
use super::folder::Folder;
use super::import::to_hex;
use super::rows::Counters;
use super::{OpenError, Options, StoreError, keys, open_error, read};
use crate::job::InstallationId;

/// Whose records a store's are. What is not said, a new store makes at random, and any other one keeps.
///
/// Given from outside of the data folder it outlives that: objects are known for one's own again, and the tokens that
/// workers hold stay valid.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// The installation, whose ID all its objects carry.
    pub installation: Option<InstallationId>,
    /// The secret that it signs with.
    pub key: Option<[u8; 32]>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("installation", &self.installation).finish_non_exhaustive()
    }
}

impl Identity {
    /// What of this a store is not, in words.
    pub(super) fn differs(&self, installation: &InstallationId, key: &[u8; 32]) -> Option<String> {
        if let Some(given) = self.installation.as_ref().filter(|given| *given != installation) {
            return Some(format!("they are those of installation {installation}, not of {given}"));
        }
        let other_key = self.key.is_some_and(|given| given != *key);
        other_key.then(|| format!("installation {installation} signs with another key there than the one given"))
    }
}

const META_INSTALLATION: &str = "installation";
const META_KEY: &str = "key";
/// There while records may be missing.
pub(super) const META_REBUILD: &str = "rebuild";

/// Makes the records of a new installation.
pub(super) fn create(folder: &mut Folder, identity: &Identity) -> Result<(), OpenError> {
    let path = folder.path().to_owned();
    let key = match identity.key {
        Some(given) => given,
        None => random_key(&path)?,
    };
    let installation = match &identity.installation {
        Some(given) => given.clone(),
        None => format!("i{}", to_hex(&random_key(&path)?[..8]))
            .parse()
            .map_err(|error: crate::job::InvalidId| OpenError::corrupt(&path, error.to_string()))?,
    };
    let made = folder.begin()?;
    let fault = |error| open_error(&path, error);
    let backend = Backend::open(made.path(), Options::default().cache).map_err(fault)?;
    write_basics(&backend, &installation, &key, &Counters::default()).map_err(fault)?;
    backend.apply([rebuild_due(true)]).map_err(fault)?;
    backend.sync().map_err(fault)?;
    backend.close();
    drop(backend);
    folder.adopt(made, installation)
}

pub(super) fn random_key(path: &Path) -> Result<[u8; 32], OpenError> {
    ring::rand::generate(&ring::rand::SystemRandom::new()).map(ring::rand::Random::expose).map_err(|_| OpenError::Io {
        path: path.to_owned(),
        source: std::io::Error::other("the system gives no random numbers"),
    })
}

pub(super) fn write_basics(
    backend: &Backend,
    installation: &InstallationId,
    key: &[u8; 32],
    counters: &Counters,
) -> Result<(), StoreError> {
    backend.apply([
        (keys::meta(META_INSTALLATION), Some(installation.as_str().as_bytes().to_vec())),
        (keys::meta(META_KEY), Some(key.to_vec())),
        (keys::COUNTERS.to_vec(), Some(Blob::of(counters).into_row())),
    ])
}

/// The write that says whether records may be missing.
pub(super) fn rebuild_due(due: bool) -> Op {
    (keys::meta(META_REBUILD), due.then(Vec::new))
}

pub(super) fn read_basics(
    backend: &Backend,
    installation: &InstallationId,
) -> Result<([u8; 32], Counters), StoreError> {
    backend.read(|tree| {
        let missing = |what: &str| StoreError::corrupt(format!("the {what} cannot be read"));
        let found = tree.get(keys::meta(META_INSTALLATION))?.ok_or_else(|| missing("installation's ID"))?;
        if found != installation.as_str() {
            return Err(StoreError::corrupt("the records are another installation's than store.json says"));
        }
        let key = tree
            .get(keys::meta(META_KEY))?
            .and_then(|key| key.as_ref().try_into().ok())
            .ok_or_else(|| missing("installation's key"))?;
        let counters = read::counters(tree)?.ok_or_else(|| missing("counters"))?;
        Ok((key, counters))
    })
}
