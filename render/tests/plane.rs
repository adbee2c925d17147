//! What has to hold for the control plane's objects, whatever the minor.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod fixture;

use std::collections::{BTreeMap, BTreeSet};

use fixture::objects;
use k8s_openapi::api::core::v1::{Container, PodTemplateSpec, ResourceRequirements, Toleration};
use k8s_openapi::api::scheduling::v1::PriorityClass;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use nagaya_api::labels;
use nagaya_render::certificates::{Authority, LeafSecret};
use nagaya_render::membership::EtcdShape;
use nagaya_render::plane::{build_etcd_state, build_foundation, build_plane, plane_namespace_name};
use nagaya_render::settings::{ImageSource, Settings};
use nagaya_render::tenant::Tenant;
use nagaya_render::upgrade::Versions;
use nagaya_render::workloads::Workload;
use serde::Deserialize as _;

fn command(template: &PodTemplateSpec) -> &[String] {
    let spec = template.spec.as_ref().expect("a pod spec");
    spec.containers[0].command.as_deref().expect("a command")
}

fn template(settings: &Settings, component: &str) -> PodTemplateSpec {
    objects::templates(&fixture::newest_tenant(), settings)
        .into_iter()
        .find_map(|(name, template)| (name == component).then_some(template))
        .expect("the component")
}

/// What a variable of a container says.
fn variable(template: &PodTemplateSpec, container: &str, name: &str) -> Option<String> {
    let containers = objects::containers(template);
    let container = containers.iter().find(|one| one.name == container).expect("the container");
    let variables = container.env.iter().flatten();
    variables.filter(|variable| variable.name == name).find_map(|found| found.value.clone())
}

#[test]
fn ca_keys_are_mounted_only_where_something_is_signed_with_them() {
    let key_of = |authority: Authority| (authority.secret_name().to_owned(), "tls.key".to_owned());
    for (component, template) in objects::templates(&fixture::newest_tenant(), &Settings::default())
    {
        let mounted: BTreeSet<(String, String)> = objects::mounted_secrets(&template)
            .into_iter()
            .map(|(secret, key, _)| (secret, key))
            .collect();
        for authority in [Authority::Cluster, Authority::FrontProxy, Authority::Etcd] {
            assert!(!mounted.contains(&key_of(authority)), "{component} holds {authority:?}'s key");
        }
        for authority in [Authority::Client, Authority::KubeletServing] {
            assert_eq!(
                mounted.contains(&key_of(authority)),
                component == "kube-controller-manager",
                "{component}, {authority:?}"
            );
        }
    }
}

#[test]
fn every_mounted_secret_is_one_that_is_made() {
    let made: BTreeSet<&str> = Authority::all()
        .map(Authority::secret_name)
        .chain(LeafSecret::all().map(LeafSecret::secret_name))
        .collect();
    let mut mounted = BTreeSet::new();
    for (_, template) in objects::templates(&fixture::newest_tenant(), &Settings::default()) {
        mounted.extend(objects::mounted_secrets(&template).into_iter().map(|(secret, ..)| secret));
    }
    // Prometheus', for which no pod of the plane has a use.
    mounted.insert(LeafSecret::Metrics.secret_name().to_owned());
    assert_eq!(mounted.iter().map(String::as_str).collect::<BTreeSet<_>>(), made);
}

#[test]
fn every_file_that_a_flag_names_is_mounted_and_every_mounted_file_is_named() {
    for (component, template) in objects::templates(&fixture::newest_tenant(), &Settings::default())
    {
        let provided: BTreeSet<String> =
            objects::mounted_secrets(&template).into_iter().map(|(.., path)| path).collect();
        let named: BTreeSet<String> = command(&template)
            .iter()
            .filter_map(|argument| argument.split_once("=/"))
            .map(|(_, path)| format!("/{path}"))
            .filter(|path| {
                path.starts_with("/etc/kubernetes/") && !path.contains("/authentication/")
            })
            .collect();
        assert!(named.is_subset(&provided), "{component}: {named:?} in {provided:?}");
        let unnamed: Vec<_> = provided
            .difference(&named)
            // Named by the kubeconfig beside them.
            .filter(|path| !path.starts_with("/etc/kubernetes/client/"))
            .collect();
        assert!(unnamed.is_empty(), "{component} mounts {unnamed:?} for nothing");
    }
}

#[test]
fn every_container_passes_pod_security_restricted() {
    for (component, template) in objects::templates(&fixture::newest_tenant(), &Settings::default())
    {
        let spec = template.spec.as_ref().expect("a pod spec");
        assert_eq!(spec.automount_service_account_token, Some(false), "{component}");
        assert_eq!(spec.enable_service_links, Some(false), "{component}");
        let pod = spec.security_context.as_ref().expect("a security context");
        assert_eq!(pod.run_as_non_root, Some(true), "{component}");
        assert!(pod.run_as_user.is_some_and(|user| user >= 10_000), "{component}");
        let seccomp = pod.seccomp_profile.as_ref().expect("a seccomp profile");
        assert_eq!(seccomp.type_, "RuntimeDefault", "{component}");
        for container in objects::containers(&template) {
            assert_restricted(component, container);
        }
    }
}

fn assert_restricted(component: &str, container: &Container) {
    let context = container.security_context.as_ref().expect("a security context");
    assert_eq!(context.allow_privilege_escalation, Some(false), "{component}");
    assert_eq!(context.read_only_root_filesystem, Some(true), "{component}");
    let capabilities = context.capabilities.as_ref().expect("capabilities");
    assert_eq!(capabilities.drop, Some(vec!["ALL".to_owned()]), "{component}");
    let is_api_server = container.name == "kube-apiserver";
    let added = is_api_server.then(|| vec!["NET_BIND_SERVICE".to_owned()]);
    assert_eq!(capabilities.add, added, "{component}");
    let requests = container.resources.as_ref().and_then(|resources| resources.requests.as_ref());
    for resource in ["cpu", "memory"] {
        assert!(requests.is_some_and(|requests| requests.contains_key(resource)), "{component}");
    }
    assert_eq!(container.image_pull_policy.as_deref(), Some("IfNotPresent"), "{component}");
}

#[test]
fn the_operators_images_placement_and_resources_reach_every_pod() {
    let quantity = |text: &str| Quantity(text.to_owned());
    let toleration = Toleration { key: Some("planes".to_owned()), ..Toleration::default() };
    let settings = Settings {
        control_plane_images: ImageSource {
            rewrite: ["registry.k8s.io", "gcr.io"]
                .map(|host| (host.to_owned(), format!("mirror.example.com/{host}")))
                .into(),
            pull_secrets: vec!["mirror".to_owned()],
            ..ImageSource::default()
        },
        node_selector: [("pool".to_owned(), "planes".to_owned())].into(),
        tolerations: vec![toleration],
        resources: [(
            "kube-apiserver".to_owned(),
            ResourceRequirements {
                limits: Some([("memory".to_owned(), quantity("1000"))].into()),
                ..ResourceRequirements::default()
            },
        )]
        .into(),
        ..Settings::default()
    };
    for (component, template) in objects::templates(&fixture::newest_tenant(), &settings) {
        // Nagaya's own image was rewritten when the spec was validated.
        let is_ours = |container: &&&Container| {
            container.image.as_deref() == Some(&*fixture::newest_tenant().wait_image)
        };
        for container in objects::containers(&template).iter().filter(|one| !is_ours(one)) {
            let image = container.image.as_deref().expect("an image");
            assert!(image.starts_with("mirror.example.com/"), "{component}: {image}");
        }
        let spec = template.spec.as_ref().expect("a pod spec");
        assert_eq!(spec.node_selector, Some(settings.node_selector.clone()), "{component}");
        assert_eq!(spec.tolerations, Some(settings.tolerations.clone()), "{component}");
        assert_eq!(spec.image_pull_secrets.as_ref().map(Vec::len), Some(1), "{component}");
    }
    let api_server = template(&settings, "kube-apiserver");
    let memory_limit = variable(&api_server, "kube-apiserver", "GOMEMLIMIT");
    assert_eq!(memory_limit.as_deref(), Some("900"));
}

#[test]
fn controllers_and_scheduler_use_one_processor_unless_the_operator_says_how_many() {
    let with_cpu = ResourceRequirements {
        limits: Some([("cpu".to_owned(), Quantity("2".to_owned()))].into()),
        ..ResourceRequirements::default()
    };
    let configured = Settings {
        resources: [("kube-controller-manager".to_owned(), with_cpu)].into(),
        ..Settings::default()
    };
    for (settings, component, wanted) in [
        (Settings::default(), "etcd", None),
        (Settings::default(), "kube-apiserver", None),
        (Settings::default(), "kube-controller-manager", Some("1")),
        (Settings::default(), "kube-scheduler", Some("1")),
        (configured.clone(), "kube-controller-manager", None),
        (configured, "kube-scheduler", Some("1")),
    ] {
        let processors = variable(&template(&settings, component), component, "GOMAXPROCS");
        assert_eq!(processors.as_deref(), wanted, "{component}");
    }
}

#[test]
fn a_full_management_node_keeps_etcd_before_api_servers_before_the_rest() {
    let installed = include_str!("../../manifests/priorities.yaml");
    let values: BTreeMap<String, i32> = serde_yaml_ng::Deserializer::from_str(installed)
        .map(|document| PriorityClass::deserialize(document).expect("a PriorityClass"))
        .map(|class| (class.metadata.name.expect("a name"), class.value))
        .collect();
    let templates = objects::templates(&fixture::newest_tenant(), &Settings::default());
    let value: BTreeMap<&str, i32> = templates
        .into_iter()
        .map(|(component, template)| {
            let class = template.spec.and_then(|spec| spec.priority_class_name);
            (component, values[&class.expect("a class")])
        })
        .collect();
    let rest = [value["kube-controller-manager"], value["kube-scheduler"]];
    assert!(value["etcd"] > value["kube-apiserver"], "{value:?}");
    assert!(rest.iter().all(|rest| value["kube-apiserver"] > *rest), "{value:?}");
    assert!(values["nagaya-manager"] > value["etcd"], "{values:?}");
}

#[test]
fn every_object_is_labelled_with_its_tenant_and_lies_in_its_namespace() {
    let tenant = fixture::newest_tenant();
    for object in objects::all(&tenant, &Settings::default()) {
        let metadata = &object["metadata"];
        for (key, value) in tenant.labels("any") {
            if key != labels::NAME {
                assert_eq!(
                    metadata["labels"][&key], value,
                    "{} {}",
                    object["kind"], metadata["name"]
                );
            }
        }
        if object["kind"] != "Namespace" {
            assert_eq!(metadata["namespace"], tenant.plane_namespace.as_str());
        }
    }
}

#[test]
fn the_render_revision_changes_exactly_with_what_a_pod_reads_at_its_start() {
    let revision = |settings: &Settings, component: &str| {
        let metadata = template(settings, component).metadata.expect("metadata");
        metadata.annotations.expect("annotations")[labels::RENDER_REVISION].clone()
    };
    let plain = Settings::default();
    let elsewhere = Settings { domain: Some("example.com".to_owned()), ..Settings::default() };
    let placed = Settings {
        node_selector: [("pool".to_owned(), "planes".to_owned())].into(),
        ..Settings::default()
    };
    for component in ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"] {
        assert_eq!(revision(&plain, component), revision(&elsewhere, component), "{component}");
        assert_ne!(revision(&plain, component), revision(&placed, component), "{component}");
    }
}

#[test]
fn adopting_a_plane_under_another_uid_restarts_nothing() {
    let before = fixture::newest_tenant();
    let mut after = before.clone();
    after.uid = "another".to_owned();
    let (before, after) = [&before, &after]
        .map(|tenant| {
            build_plane(
                tenant,
                &Versions::done(tenant),
                &EtcdShape::newborn(),
                &Settings::default(),
            )
        })
        .into();
    assert_eq!(before.etcd.spec, after.etcd.spec);
    assert_eq!(before.api_server.spec, after.api_server.spec);
    assert_eq!(before.controller_manager.spec, after.controller_manager.spec);
    assert_eq!(before.scheduler.spec, after.scheduler.spec);
    assert_ne!(before.etcd.metadata.labels, after.etcd.metadata.labels);
}

#[test]
fn etcd_reads_its_birth_state_from_the_config_map_in_both_states() {
    let tenant = fixture::newest_tenant();
    let etcd = template(&Settings::default(), "etcd");
    let keys: BTreeSet<String> = objects::containers(&etcd)
        .into_iter()
        .flat_map(|container| container.env.iter().flatten())
        .filter_map(|variable| variable.value_from.as_ref()?.config_map_key_ref.clone())
        .map(|reference| reference.key)
        .collect();
    for existing in [false, true] {
        let data = build_etcd_state(&tenant, existing, &EtcdShape::newborn()).data.expect("data");
        assert_eq!(data.keys().cloned().collect::<BTreeSet<_>>(), keys);
        let state = if existing { "existing" } else { "new" };
        assert_eq!(data["ETCD_INITIAL_CLUSTER_STATE"], state);
        let namespace = &tenant.plane_namespace;
        assert_eq!(
            data["ETCD_INITIAL_CLUSTER"],
            format!("etcd-0=https://etcd-0.etcd.{namespace}.svc:2380")
        );
    }
}

#[test]
fn two_ip_families_reach_the_flags_in_the_order_of_the_spec() {
    let flags = |component| -> Vec<String> {
        let templates = objects::templates(&fixture::dual_stack_tenant(), &Settings::default());
        let found = templates.iter().find(|(name, _)| *name == component).expect("the component");
        command(&found.1).to_vec()
    };
    let services = "--service-cluster-ip-range=10.96.0.0/12,fd00:10:96::/112".to_owned();
    assert!(flags("kube-apiserver").contains(&services));
    assert!(flags("kube-controller-manager").contains(&services));
    let pods = "--cluster-cidr=10.244.0.0/16,fd00:10:244::/48".to_owned();
    assert!(flags("kube-controller-manager").contains(&pods));
}

#[test]
fn the_public_service_leaves_the_choice_of_a_port_to_kubernetes_until_one_is_recorded() {
    let mut tenant = fixture::newest_tenant();
    let node_port = |tenant: &_| {
        let spec =
            build_foundation(tenant, &EtcdShape::newborn()).api_server_public.spec.expect("a spec");
        spec.ports.expect("ports")[0].node_port
    };
    assert_eq!(node_port(&tenant), Some(30_443));
    tenant.exposure.port = None;
    assert_eq!(node_port(&tenant), None);
}

#[test]
fn the_public_service_has_both_families_where_its_nodes_have_addresses_of_ipv6() {
    let policy = |tenant: &_| {
        let foundation = build_foundation(tenant, &EtcdShape::newborn());
        foundation.api_server_public.spec.expect("a spec").ip_family_policy
    };
    let mut tenant = fixture::newest_tenant();
    assert_eq!(policy(&tenant), None);
    tenant.exposure.addresses = vec!["2001:db8::1".parse().expect("an address")];
    assert_eq!(policy(&tenant).as_deref(), Some("PreferDualStack"));
    for tenant in [fixture::tenant_by_a_load_balancer(), fixture::tenant_behind_an_external_one()] {
        assert_eq!(policy(&tenant), None);
    }
}

#[test]
fn namespace_names_are_valid_and_differ_where_joining_would_not() {
    let long = "p".repeat(63);
    for (project, name) in [("acme", "demo"), (long.as_str(), "demo"), (&"a-".repeat(31), "demo")] {
        let namespace = plane_namespace_name(project, name);
        assert!(namespace.len() <= 63, "{namespace}");
        assert!(!namespace.contains("--"), "{namespace}");
    }
    assert!(plane_namespace_name("acme", "demo").starts_with("nagaya-acme-demo-"));
    assert_ne!(plane_namespace_name("a-b", "c"), plane_namespace_name("a", "b-c"));
    assert_ne!(plane_namespace_name(&long, "one"), plane_namespace_name(&long, "two"));
}

#[test]
fn nodes_that_are_cut_off_change_which_controllers_run_and_nothing_else() {
    let tenant = fixture::newest_tenant();
    let cut_off = Tenant { cut_off_since: Some(fixture::noon()), ..tenant.clone() };
    let planes = [&tenant, &cut_off].map(|tenant| {
        let (versions, members) = (Versions::done(tenant), EtcdShape::newborn());
        build_plane(tenant, &versions, &members, &Settings::default())
    });
    let commands = planes.each_ref().map(|plane| {
        command(&plane.controller_manager.spec.as_ref().expect("a spec").template).to_vec()
    });
    let only_in = |one: &[String], other: &[String]| -> Vec<String> {
        one.iter().filter(|flag| !other.contains(flag)).cloned().collect()
    };
    assert_eq!(
        only_in(&commands[0], &commands[1]),
        ["--controllers=*,bootstrapsigner,tokencleaner"]
    );
    assert_eq!(
        only_in(&commands[1], &commands[0]),
        [
            "--controllers=*,bootstrapsigner,tokencleaner,-node-lifecycle-controller,-taint-eviction-controller"
        ]
    );
    let [usual, mut other] = planes;
    let runs = Workload::from(&other.controller_manager);
    assert_eq!(runs.cut_off_since, cut_off.cut_off_since, "what is written is what is read again");
    other.controller_manager = usual.controller_manager.clone();
    assert_eq!(usual, other);
}
