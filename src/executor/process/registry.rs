//! The objects that there are: on disk, and carried on in this process.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::{Semaphore, broadcast};

use super::disk::{self, ObjectRecord, Root};
use super::object::{Hub, Object, reference};
use super::recovery::{self, Standing};
use super::{CHANGES_KEPT, Context, ProcessConfig, controller, environment, node_name, refused};
use crate::crash::{self, Point};
use crate::executor::{CreateOutcome, Marked, Observation};
use crate::job::ObjectRef;

/// Objects by name.
type Objects = HashMap<String, Arc<Object>>;

/// All objects of one folder.
#[derive(Debug)]
pub(super) struct Registry {
    pub(super) context: Arc<Context>,
    pub(super) root: Root,
    objects: Mutex<Objects>,
    pub(super) hub: Hub,
}

impl Registry {
    /// Opens the folder, and carries on what can be carried on of the objects there.
    pub(super) fn open(config: ProcessConfig) -> io::Result<Self> {
        let root = Root::open(&config.root)?;
        let context = Arc::new(Context {
            node: node_name(),
            environment: environment(|name| std::env::var(name).ok()),
            slots: Arc::new(Semaphore::new(config.max_running)),
            config,
        });
        let registry = Self { context, root, objects: Mutex::default(), hub: broadcast::channel(CHANGES_KEPT).0 };
        for name in registry.root.names()? {
            match disk::read_record(&registry.root.object(&name)) {
                // An object of another installation keeps its name taken, and is no concern of ours.
                Ok(record) if record.installation == registry.context.config.installation => {
                    registry.take_in(&mut registry.objects(), &record)?;
                }
                Ok(_) => {}
                Err(error) => tracing::error!(%error, "an object cannot be read; its job is lost"),
            }
        }
        Ok(registry)
    }

    pub(super) fn objects(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn object(&self, reference: &ObjectRef) -> Option<Arc<Object>> {
        let objects = self.objects();
        let object = objects.get(&reference.name)?;
        (object.reference.uid == reference.uid).then(|| Arc::clone(object))
    }

    /// Makes an object that is on disk known, and carries it on. Does nothing if it is known already.
    fn take_in(&self, objects: &mut Objects, record: &ObjectRecord) -> io::Result<Arc<Object>> {
        if let Some(known) = objects.get(&record.name) {
            return Ok(Arc::clone(known));
        }
        let folder = self.root.object(&record.name);
        let now = Timestamp::now();
        let (snapshot, standing) = recovery::recover(&self.context.config, record, &folder, now)?;
        let lost = match standing {
            Standing::Lost(at) => Some(at),
            _ => None,
        };
        let hub = self.hub.clone();
        let object = Arc::new(Object::new(record, folder, lost, snapshot, hub));
        objects.insert(record.name.clone(), Arc::clone(&object));
        match standing {
            Standing::Ended => {}
            Standing::Lost(_) => object.publish(object.evidence()),
            Standing::Ends(conclusion) => {
                let object = Arc::clone(&object);
                tokio::spawn(async move { controller::record_end(&object, conclusion).await });
            }
            Standing::GoesOn(spec, ended) => {
                object.publish(object.evidence());
                let (context, object) = (Arc::clone(&self.context), Arc::clone(&object));
                tokio::spawn(controller::run(context, object, *spec, ended));
            }
        }
        Ok(object)
    }

    /// Creates an object, or adopts the one that has its name.
    pub(super) fn create(&self, record: &ObjectRecord) -> io::Result<CreateOutcome> {
        loop {
            self.root.create(record)?;
            // From here on it cannot be deleted, by the lock.
            let mut objects = self.objects();
            let found = match disk::read_record(&self.root.object(&record.name)) {
                Ok(found) => found,
                // What had the name was deleted meanwhile.
                Err(_) if !self.root.object(&record.name).exists() => continue,
                Err(error) => return Err(error),
            };
            if (&found.installation, &found.job) != (&record.installation, &record.job) {
                let message = format!(
                    "there is an object {:?} already, of job {} of installation {}",
                    record.name, found.job, found.installation
                );
                return Ok(refused("NameTaken", message));
            }
            let object = self.take_in(&mut objects, &found)?;
            drop(objects);
            crash::reached(Point::ObjectKnown);
            if object.lost.is_some() {
                // It was not in the last list, and a new one may not come for long.
                object.publish(object.evidence());
            }
            return Ok(CreateOutcome::Created { object: object.reference.clone(), warnings: Vec::new() });
        }
    }

    /// Deletes an object that has ended, if it is still there.
    pub(super) fn remove(&self, object: &Object) -> io::Result<()> {
        let mut objects = self.objects();
        let known = objects.get(&object.reference.name);
        if known.is_none_or(|it| it.reference.uid != object.reference.uid) {
            return Ok(());
        }
        let removed = self.root.take_away(&object.reference.name)?;
        objects.remove(&object.reference.name);
        drop(objects);
        self.root.dispose(&removed)
    }

    /// What every object on disk says of its job, lost ones and those of other installations among them.
    pub(super) fn survey(&self) -> io::Result<Vec<Marked>> {
        let names = self.root.names()?;
        let records = names.iter().filter_map(|name| match disk::read_record(&self.root.object(name)) {
            Ok(record) => Some(marked(&record)),
            // It was told when the folder was opened.
            Err(_) => None,
        });
        Ok(records.collect())
    }

    pub(super) fn list(&self) -> Observation {
        let objects: Vec<Arc<Object>> = self.objects().values().cloned().collect();
        let objects = objects
            .into_iter()
            .filter(|object| object.lost.is_none())
            .map(|object| (object.job.clone(), object.evidence()))
            .collect();
        Observation::Listed(objects)
    }
}

fn marked(record: &ObjectRecord) -> Marked {
    let texts = |field: &str| {
        let texts = record.manifest.get("metadata").and_then(|metadata| metadata.get(field)?.as_object());
        let text = |(key, value): (&String, &serde_json::Value)| Some((key.clone(), value.as_str()?.to_owned()));
        texts.into_iter().flatten().filter_map(text).collect()
    };
    Marked {
        object: reference(record),
        created: record.created,
        labels: texts("labels"),
        annotations: texts("annotations"),
    }
}
