//! ConfigMaps that fill a tenant's etcd, so many at a time and no more than a test allows.

use serde_json::{Value, json};

use super::{Failure, Kubectl, Outcome};
use crate::paths;
use crate::progress::step;

/// Bytes of each. Larger ones would leave larger holes in etcd's file, and a full one would not be full for long.
const SIZE: usize = 100_000;
const AT_ONCE: usize = 40;

/// Fills one tenant's etcd.
pub struct Filler<'k> {
    cluster: &'k Kubectl,
    /// Tells the files of different tests apart.
    name: String,
    /// Numbers of the lots that are there.
    lots: Vec<usize>,
    next: usize,
}

impl<'k> Filler<'k> {
    /// Nothing is written yet.
    #[must_use]
    pub fn new(cluster: &'k Kubectl, name: &str) -> Self {
        Self { cluster, name: name.to_owned(), lots: Vec::new(), next: 0 }
    }

    /// Writes lots of 4 MB.
    ///
    /// # Errors
    /// One is refused.
    pub fn fill(&mut self, lots: usize) -> Outcome {
        step(format!("write {lots} lots of 4 MB"), || (0..lots).try_for_each(|_| self.write()))
    }

    /// Writes until etcd says that it is full.
    ///
    /// # Errors
    /// It never does, or something else is said.
    pub fn fill_until_refused(&mut self, most: usize) -> Outcome {
        step(format!("write lots of 4 MB until they are refused, {most} at most"), || {
            for _ in 0..most {
                match self.write() {
                    Ok(()) => {}
                    Err(refusal) if refusal.to_string().contains("space exceeded") => return Ok(()),
                    Err(other) => return Err(other),
                }
            }
            Err(Failure::new(format!("{most} lots were taken")))
        })
    }

    /// Deletes all that was written.
    ///
    /// # Errors
    /// Something stays.
    pub fn remove(&mut self) -> Outcome {
        step("delete what was written", || {
            for lot in self.lots.drain(..) {
                let path = path(&self.name, lot);
                let file = path.to_string_lossy();
                let words = ["delete", "--wait=false", "--ignore-not-found", "-f", &file];
                self.cluster.run(&words)?;
            }
            Ok(())
        })
    }

    fn write(&mut self) -> Outcome {
        let lot = self.next;
        self.next += 1;
        self.lots.push(lot);
        let path = path(&self.name, lot);
        let items: Vec<Value> = (0..AT_ONCE).map(|index| config_map(lot, index)).collect();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
        paths::write_whole(&path, list.to_string().as_bytes())?;
        self.cluster.run(&["create", "-f", &path.to_string_lossy()]).map(drop)
    }
}

impl Drop for Filler<'_> {
    fn drop(&mut self) {
        for lot in 0..self.next {
            // Left over, they are in nobody's way.
            let _ = std::fs::remove_file(path(&self.name, lot));
        }
    }
}

fn path(name: &str, lot: usize) -> std::path::PathBuf {
    paths::state().join(format!("fill-{name}-{lot}.json"))
}

fn config_map(lot: usize, index: usize) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("fill-{lot}-{index}")},
        "data": {"filling": "x".repeat(SIZE)},
    })
}
