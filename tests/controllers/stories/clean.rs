//! How runs without faults end, and what stories begin from. Each is played once, by whoever needs it first.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use nagaya_api::conditions;

use super::in_virtual_time;
use super::plot::{Plot, Wish};
use crate::ending::{End, Expected};
use crate::foreign;
use crate::stage::{Picture, Stage, tenant_id};

/// Shared by all who play stories.
#[derive(Default)]
pub struct Clean {
    born: OnceLock<Picture>,
    ends: Mutex<HashMap<Option<Wish>, Arc<OnceLock<Expected>>>>,
}

impl Clean {
    /// A tenant that has just become Ready, asked for by the wish that asks for nothing special.
    pub fn born(&self) -> &Picture {
        self.born.get_or_init(|| {
            in_virtual_time(async {
                let stage = Stage::with_nodes();
                birth(&stage, Wish::default()).await;
                stage.picture()
            })
        })
    }

    /// How a story has to end.
    pub fn end(&self, plot: &Plot) -> Arc<OnceLock<Expected>> {
        let end = Arc::clone(self.ends.lock().unwrap().entry(plot.last).or_default());
        end.get_or_init(|| {
            let run = || in_virtual_time(clean_run(plot.last));
            Expected::of(run(), &run())
        });
        end
    }
}

async fn clean_run(last: Option<Wish>) -> End {
    let stage = Stage::with_nodes();
    foreign::put(&stage);
    birth(&stage, last.unwrap_or_default()).await;
    if last.is_none() {
        stage.projects.delete(&tenant_id());
        stage.until("it is gone", |stage| stage.tenant().is_none()).await;
        stage.settled().await;
    }
    End::of(&stage)
}

async fn birth(stage: &Stage, wish: Wish) {
    stage.create_tenant(&wish.spec());
    stage.settled().await;
    assert_eq!(stage.condition(conditions::READY)["status"], "True");
}
