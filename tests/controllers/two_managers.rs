//! Two managers on one API: one works. The other takes over, and then the first writes nothing any more.

use std::time::Duration;

use nagaya::controllers::Error;
use nagaya::leader::{DEFAULT_NAMESPACE, LEASE, Lost, NotConfirmed};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::running::Running;
use crate::stage::{FIRST, Stage, tenant_id};

const SECOND: &str = "second";
/// Without a goodbye: the Lease's 15 s, and what is in flight.
const TAKEN_OVER: Duration = Duration::from_secs(18);

async fn with_two_managers() -> (Stage, Running) {
    let stage = Stage::ready().await;
    let second = stage.start(SECOND);
    let writes = stage.writes().len();
    sleep(Duration::from_secs(20)).await;
    assert_eq!(second.waiting_for(), [""; 0], "a standby is ready");
    assert_eq!((second.passes(), second.leadership.is_held()), (0, false), "it stands by");
    assert_eq!(stage.writes()[writes..], [""; 0]);
    assert_eq!(holder(&stage), FIRST);
    (stage, second)
}

fn holder(stage: &Stage) -> Value {
    let lease = stage.projects.get("Lease", DEFAULT_NAMESPACE, LEASE).unwrap();
    lease["spec"]["holderIdentity"].clone()
}

fn change_spec(stage: &Stage) {
    stage.projects.patch(&tenant_id(), &json!({"spec": {"controlPlane": {"replicas": 2}}}));
}

fn api_servers(stage: &Stage) -> Value {
    let live = stage.planes.get("Deployment", &Stage::plane(), "kube-apiserver").unwrap();
    live["spec"]["replicas"].clone()
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_stopped_in_the_middle_of_a_write_and_goes_on_later_writes_nothing() {
    let (mut stage, second) = with_two_managers().await;
    let first = stage.take_manager();
    assert!(first.leadership.confirm().await.is_ok());
    first.process.stop_at_next_write();
    change_spec(&stage);
    stage.until("the first stands still", |_| first.process.is_stopped()).await;
    let stopped = Instant::now();
    stage.until("the second does it", |stage| api_servers(stage) == 2).await;
    assert!(stopped.elapsed() < TAKEN_OVER, "after {:?}", stopped.elapsed());
    stage.settled().await;
    let (writes, everything) = (stage.management_writes(), stage.planes.everything());
    first.process.go_on();
    let end = first.ended().await;
    assert!(matches!(end, Err(Error::LeaseLost(Lost::NotRenewed(_)))), "{end:?}");
    sleep(Duration::from_secs(10)).await;
    assert_eq!(stage.management_writes(), writes);
    assert_eq!(stage.planes.everything(), everything);
    assert_eq!(holder(&stage), SECOND);
    assert!(second.leadership.confirm().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_stopped_after_a_look_at_etcd_and_goes_on_later_takes_no_step_there() {
    let (mut stage, _second) = with_two_managers().await;
    let (first, members) = (stage.take_manager(), || stage.etcds.members(&Stage::plane()));
    first.process.stop_after_next_look();
    stage.projects.patch(&tenant_id(), &json!({"spec": {"etcd": {"replicas": 3}}}));
    stage.until("the first stands still", |_| first.process.is_stopped()).await;
    assert_eq!(members(), [0], "what it has seen asks for a step");
    stage.until("the second does it", |_| members() == [0, 1, 2]).await;
    stage.settled().await;
    let taken = stage.etcds.taken();
    first.process.go_on();
    assert!(first.ended().await.is_err());
    sleep(Duration::from_secs(10)).await;
    assert_eq!(stage.etcds.taken(), taken);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_reaches_no_api_server_ends_before_the_other_begins() {
    let (mut stage, second) = with_two_managers().await;
    let first = stage.take_manager();
    first.process.cut_off();
    let end = first.ended().await;
    assert!(matches!(end, Err(Error::LeaseLost(Lost::NotRenewed(_)))), "{end:?}");
    assert!(!second.leadership.is_held());
    stage.until("the second leads", |_| second.leadership.is_held()).await;
    change_spec(&stage);
    stage.until("the second does it", |stage| api_servers(stage) == 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_asked_to_end_hands_over_at_once() {
    let (mut stage, second) = with_two_managers().await;
    let first = stage.take_manager();
    first.shutdown.cancel();
    let asked = Instant::now();
    assert!(first.ended().await.is_ok());
    stage.until("the second leads", |_| second.leadership.is_held()).await;
    assert!(asked.elapsed() < Duration::from_secs(3), "after {:?}", asked.elapsed());
    stage.settled().await;
    assert!(second.passes() > 0);
}

#[tokio::test(start_paused = true)]
async fn who_looks_at_the_lease_sees_whose_it_is() {
    let (_stage, second) = with_two_managers().await;
    let held = second.leadership.confirm().await;
    assert!(matches!(&held, Err(NotConfirmed::HeldBy(holder)) if holder == FIRST), "{held:?}");
}
