//! Snapshots that are kept in a bucket: when, in which Jobs, and what comes along for a control plane that is gone.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests: a failure is a panic")]

mod fixture;

use fixture::noon;
use jiff::SignedDuration;
use k8s_openapi::ByteString;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Container, Namespace, PodSpec, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use nagaya_api::{Snapshot, labels};
use nagaya_render::plane::{build_bucket_secret, build_restore_job, build_snapshot_job};
use nagaya_render::plane_record::PlaneRecord;
use nagaya_render::settings::Settings;
use nagaya_render::snapshots::{Bucket, JobState, PlaneJobs, SCHEDULED, SnapshotJob, SnapshotPlan};
use nagaya_render::tenant::Tenant;
use serde_json::{Value, json};

fn tenant() -> Tenant {
    let mut tenant = fixture::newest_tenant();
    let asked = json!({
        "endpoint": "https://s3.example.com", "bucket": "etcd", "region": "eu-central-1",
        "prefix": "fleet/one", "secretName": "s3",
    });
    let asked = serde_json::from_value(asked).unwrap();
    tenant.snapshots.bucket = Some(Bucket::of(&asked, &tenant.namespace, &tenant.name));
    tenant
}

fn snapshot(location: Option<String>) -> Snapshot {
    Snapshot {
        name: "a".to_owned(),
        time: Time(noon() - SignedDuration::from_mins(1)),
        size_bytes: 4128,
        version: "v1.37.1".to_owned(),
        reason: SCHEDULED.to_owned(),
        location,
    }
}

fn pod(job: &Job) -> &PodSpec {
    job.spec.as_ref().unwrap().template.spec.as_ref().unwrap()
}

fn containers(job: &Job) -> Vec<&Container> {
    pod(job).init_containers.iter().flatten().chain(&pod(job).containers).collect()
}

fn argument(container: &Container, name: &str) -> String {
    let start = format!("--{name}=");
    let mut all = container.args.iter().flatten();
    all.find_map(|one| one.strip_prefix(&start)).unwrap().to_owned()
}

fn jobs(tenant: &Tenant) -> [Job; 2] {
    let settings = Settings::default();
    [
        build_snapshot_job(tenant, &settings, SCHEDULED, noon()),
        build_restore_job(tenant, &settings, "a", false, noon()),
    ]
}

#[test]
fn the_tenants_folder_is_below_the_prefix() {
    let tenant = tenant();
    let location =
        format!("https://s3.example.com/etcd/fleet/one/{}/{}", tenant.namespace, tenant.name);
    assert_eq!(tenant.snapshots.location(), Some(location));
}

#[test]
fn only_who_talks_to_the_bucket_sees_its_credentials_and_no_claim_is_needed() {
    let tenant = tenant();
    for (job, talks) in jobs(&tenant).iter().zip(["upload", "fetch"]) {
        let sees = |container: &&Container| {
            let mounts = container.volume_mounts.iter().flatten();
            mounts.filter(|mount| mount.name == "s3").count() == 1
        };
        let seeing: Vec<_> = containers(job).into_iter().filter(sees).collect();
        assert_eq!(seeing.iter().map(|one| &one.name).collect::<Vec<_>>(), [talks]);
        assert_eq!(argument(seeing[0], "secret"), format!("{}/s3", tenant.namespace));
        let volumes = pod(job).volumes.as_ref().unwrap();
        let kept = volumes.iter().find(|volume| volume.name == "snapshots").unwrap();
        assert!(kept.empty_dir.is_some() && kept.persistent_volume_claim.is_none());
    }
}

#[test]
fn the_jobs_for_a_bucket_are_as_reviewed() {
    let mut jobs = jobs(&tenant());
    let spec = jobs[0].spec.as_mut().unwrap().template.spec.as_mut().unwrap();
    for argument in spec.containers[0].args.iter_mut().flatten() {
        if argument.starts_with("--recovery=") {
            "--recovery=(see below)".clone_into(argument);
        }
    }
    insta::with_settings!({
        snapshot_path => "snapshots/plane",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_yaml_snapshot!("snapshots-in-a-bucket", jobs);
    });
}

#[test]
fn the_copy_of_the_credentials_has_nothing_else_in_it() {
    let value = |text: &str| ByteString(text.as_bytes().to_vec());
    let given = Secret {
        data: Some(
            [("accessKeyID", "id"), ("secretAccessKey", "secret"), ("else", "no")]
                .map(|(key, text)| (key.to_owned(), value(text)))
                .into(),
        ),
        ..Secret::default()
    };
    let keys = |secret: Secret| secret.data.unwrap().into_keys().collect::<Vec<_>>();
    let tenant = tenant();
    assert_eq!(
        keys(build_bucket_secret(&tenant, Some(&given))),
        ["accessKeyID", "secretAccessKey"]
    );
    // The Job says what is missing.
    assert_eq!(keys(build_bucket_secret(&tenant, None)), [] as [&str; 0]);
}

#[test]
fn a_new_place_gets_a_snapshot_at_once() {
    let mut tenant = tenant();
    let plan = |tenant: &Tenant| {
        let (created, jobs) = (noon() - SignedDuration::from_mins(2), PlaneJobs::default());
        SnapshotPlan::next(tenant, &[], &jobs, &[], (created, true), noon()).take
    };
    tenant.snapshots.taken = vec![snapshot(None)];
    assert_eq!(plan(&tenant).as_deref(), Some(SCHEDULED));
    tenant.snapshots.taken = vec![snapshot(tenant.snapshots.location())];
    assert_eq!(plan(&tenant), None);
}

#[test]
fn a_job_tells_of_snapshots_that_are_where_it_went_whatever_the_spec_says_by_now() {
    let mut job = jobs(&tenant())[0].clone();
    job.status = serde_json::from_value(json!({
        "conditions": [{"type": "Complete", "status": "True"}],
    }))
    .unwrap();
    let told = json!([snapshot(None)]).to_string();
    let pod = serde_json::from_value(json!({
        "metadata": {}, "status": {"containerStatuses": [{
            "name": "upload", "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"terminated": {"exitCode": 0, "message": told}},
        }]},
    }))
    .unwrap();
    let read = SnapshotJob::read(&job, &[&pod], |_| None);
    let location = tenant().snapshots.location();
    assert_eq!(read.state, JobState::Succeeded(Some(vec![snapshot(location)])));
}

#[test]
fn what_comes_along_is_a_retained_plane_with_every_authority() {
    let mut tenant = tenant();
    tenant.snapshots.restored = Some("x".to_owned());
    let recovery = argument(containers(&jobs(&tenant)[0])[1], "recovery").replace("$$", "$");
    let list: Value = serde_json::from_str(&recovery).unwrap();
    let items = list["items"].as_array().unwrap();
    let names: Vec<_> = items.iter().map(|item| &item["metadata"]["name"]).collect();
    let secrets = [
        "cluster-ca-1",
        "client-ca-1",
        "kubelet-serving-ca-1",
        "front-proxy-ca-1",
        "etcd-ca-1",
        "service-account-1",
    ];
    assert_eq!(names[1..], secrets);
    let namespace: Namespace = serde_json::from_value(items[0].clone()).unwrap();
    let record = PlaneRecord::read(&namespace);
    assert!(record.retained && record.born);
    assert_eq!(record.version, Some(tenant.version));
    assert_eq!(record.endpoint_port, tenant.exposure.port);
    assert_eq!(record.restored_from, None, "the same snapshot may be restored again");
    assert_eq!(record.wait_image, None, "the image of that time may be gone");
    let annotations = namespace.metadata.annotations.unwrap();
    assert!(annotations.contains_key(labels::ACCEPTED_SPEC));
}
