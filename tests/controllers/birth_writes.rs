//! What a newborn tenant costs the management API, which serves all of them.

use crate::memory_api::{Asked, Verb};
use crate::stage::{PROJECT, Stage};

/// Of the manager's, until it has nothing more to write.
const MOST_WRITES: usize = 35;

#[tokio::test(start_paused = true)]
async fn a_newborn_tenant_costs_no_more_writes_than_it_may() {
    let stage = Stage::ready().await;
    let mut writes = stage.management_writes();
    // The manager's rights in a project, which all tenants there have in common.
    writes.retain(|write| !write.contains(&format!("RoleBinding {PROJECT}/")));
    assert!(writes.len() <= MOST_WRITES, "{} writes: {writes:#?}", writes.len());
}

#[tokio::test(start_paused = true)]
async fn none_of_them_is_in_vain() {
    let stage = Stage::ready().await;
    let writes = stage.management_writes();
    let refused: Vec<&String> = writes.iter().filter(|write| !write.contains(" 20")).collect();
    assert_eq!(refused, [""; 0], "{writes:#?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_looked_for_that_cannot_be_there() {
    let stage = Stage::ready().await;
    let missed = |asked: &Asked| {
        let in_plane = asked.id.namespace == Stage::plane();
        in_plane && asked.verb == Verb::Get && asked.code == 404
    };
    let missed: Vec<String> =
        stage.planes.asked().iter().filter(|asked| missed(asked)).map(Asked::to_string).collect();
    assert_eq!(missed, [""; 0]);
}
