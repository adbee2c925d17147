//! The programs that the sandbox runs, built from pinned Go modules into the cache.
//!
//! `e2e/components/<product>-<minor>/go.mod` says which version; this file says which binaries a
//! product has, where a built one is kept and how to get it: [`ensure`].

mod build;
mod gomod;
mod needs;
mod products;

use std::env;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

pub(crate) use build::hex;
pub use needs::{Need, for_control_plane, for_management, for_node};
pub use products::Product;
use products::{
    CONTAINERD, COREDNS, ETCD, KONNECTIVITY, KUBERNETES, KWOK, LOCAL_PATH_PROVISIONER, METALLB,
    METRICS_SERVER, VERSITYGW,
};

use crate::error::{Error, Result};
use crate::{lock, paths, progress};

/// The Kubernetes minors that tenants can have, oldest first.
pub const KUBERNETES_MINORS: [&str; 3] = ["1.35", "1.36", "1.37"];
/// The newest of them: the management cluster's, and a new host's when nothing is said.
pub const NEWEST_MINOR: &str = KUBERNETES_MINORS[KUBERNETES_MINORS.len() - 1];

/// A product at one pinned version: a folder in `e2e/components`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// What it is.
    pub product: &'static Product,
    /// The folder's suffix, mostly a minor such as `1.37`.
    pub line: String,
}

impl Component {
    /// Kubernetes of a minor such as `1.37`.
    ///
    /// # Errors
    /// A minor that is not among [`KUBERNETES_MINORS`].
    pub fn kubernetes(minor: &str) -> Result<Self> {
        if KUBERNETES_MINORS.contains(&minor) {
            return Ok(Self::new(&KUBERNETES, minor));
        }
        Err(Error::Refused(format!(
            "Kubernetes {minor:?} is not among those the sandbox has: {}",
            KUBERNETES_MINORS.join(", ")
        )))
    }

    /// The CoreDNS that kubeadm of a Kubernetes minor installs
    /// (`CoreDNSVersion` in `cmd/kubeadm/app/constants/constants.go`).
    #[must_use]
    pub fn coredns(kubernetes_minor: &str) -> Self {
        let line = match kubernetes_minor {
            "1.35" => "1.13",
            "1.36" => "1.14.2",
            _ => "1.14",
        };
        Self::new(&COREDNS, line)
    }

    /// etcd, the same for all minors.
    #[must_use]
    pub fn etcd() -> Self {
        Self::new(&ETCD, "3.6")
    }

    /// containerd, the same for all minors.
    #[must_use]
    pub fn containerd() -> Self {
        Self::new(&CONTAINERD, "2.4")
    }

    /// The storage class's provisioner.
    #[must_use]
    pub fn local_path_provisioner() -> Self {
        Self::new(&LOCAL_PATH_PROVISIONER, "0.0")
    }

    /// The S3 server.
    #[must_use]
    pub fn versitygw() -> Self {
        Self::new(&VERSITYGW, "1.8")
    }

    /// The load balancer.
    #[must_use]
    pub fn metallb() -> Self {
        Self::new(&METALLB, "0.15")
    }

    /// What `kubectl top` asks.
    #[must_use]
    pub fn metrics_server() -> Self {
        Self::new(&METRICS_SERVER, "0.8")
    }

    /// The tunnel's server and agent, as control planes of a Kubernetes minor have them (`nagaya_render::minors`).
    #[must_use]
    pub fn konnectivity(kubernetes_minor: &str) -> Self {
        let line = if kubernetes_minor == "1.35" { "0.34" } else { "0.36" };
        Self::new(&KONNECTIVITY, line)
    }

    /// What plays kubelets.
    #[must_use]
    pub fn kwok() -> Self {
        Self::new(&KWOK, "0.8")
    }

    /// The pinned version without its `v`, such as `1.37.1`.
    ///
    /// # Errors
    /// The go.mod cannot be read or does not require the product's module.
    pub fn version(&self) -> Result<String> {
        let path = self.folder().join("go.mod");
        let version = gomod::required(&paths::read_text(&path)?, self.product.module);
        version.ok_or_else(|| Error::Malformed {
            path,
            reason: format!("it does not require {}", self.product.module),
        })
    }

    /// The folder with its go.mod and go.sum.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        paths::components().join(format!("{}-{}", self.product.name, self.line))
    }

    /// The folder with the sources of the product's module, which has more than programs in it.
    ///
    /// # Errors
    /// They cannot be had.
    pub fn sources(&self) -> Result<PathBuf> {
        build::Recipe::of(self)?.sources(self.product.module)
    }

    /// The Go package that a binary of this component is built from.
    fn package(&self, binary: &str) -> Result<&'static str> {
        let packages = self.product.binaries.iter();
        packages.filter(|(name, _)| *name == binary).map(|(_, package)| *package).next().ok_or_else(
            || Error::Refused(format!("{} has no binary {binary:?}", self.product.name)),
        )
    }

    fn new(product: &'static Product, line: &str) -> Self {
        Self { product, line: line.to_owned() }
    }
}

/// The path of a component's binary, built first if the cache does not have it.
///
/// With `NAGAYA_BINARIES` set nothing is built: it is `<folder>/<product>-<version>/<binary>`.
///
/// # Errors
/// The product has no such binary, or the build fails.
pub fn ensure(component: &Component, binary: &str) -> Result<PathBuf> {
    if let Some(folder) = env::var_os("NAGAYA_BINARIES") {
        component.package(binary)?;
        return given(Path::new(&folder), component, binary);
    }
    make(component, &[binary], "")?;
    Ok(build::Recipe::of(component)?.output().join(binary))
}

/// [`ensure`] for several, saying how far it is. What a component lacks is built at once: while one binary
/// is linked, which takes a single core, the next is compiled.
///
/// # Errors
/// As [`ensure`]; the first failure ends it.
pub fn ensure_all(wanted: &[(Component, &str)]) -> Result<Vec<PathBuf>> {
    if env::var_os("NAGAYA_BINARIES").is_none() {
        let mut components: Vec<&Component> = Vec::new();
        for (component, _) in wanted {
            if !components.contains(&component) {
                components.push(component);
            }
        }
        while_fetching(wanted, || {
            for (index, component) in components.iter().enumerate() {
                let its = wanted.iter().filter(|(of, _)| of == *component);
                let binaries: Vec<&str> = its.map(|(_, binary)| *binary).collect();
                let how_far = format!(", product {} of {}", index + 1, components.len());
                make(component, &binaries, &how_far)?;
            }
            Ok(())
        })?;
    }
    wanted.iter().map(|(component, binary)| ensure(component, binary)).collect()
}

/// Works, and meanwhile has the modules downloaded of what the cache does not have: the network is slow when
/// the processors are busy with something else, and the other way round.
pub fn while_fetching<T>(wanted: &[(Component, &str)], work: impl FnOnce() -> T) -> T {
    let done = AtomicBool::new(false);
    let fetch = || {
        let missing = wanted.iter().filter(|(component, binary)| !is_ready(component, binary));
        for (component, binary) in missing {
            if done.load(Ordering::Relaxed) {
                return;
            }
            let fetched = build::Recipe::of(component)
                .and_then(|recipe| recipe.fetch(&[component.package(binary)?]));
            // Whoever builds it will say the same, at its own time.
            if fetched.is_err() {
                return;
            }
        }
    };
    thread::scope(|scope| {
        scope.spawn(fetch);
        let result = work();
        done.store(true, Ordering::Relaxed);
        result
    })
}

fn is_ready(component: &Component, binary: &str) -> bool {
    env::var_os("NAGAYA_BINARIES").is_some()
        || build::Recipe::of(component).is_ok_and(|recipe| recipe.output().join(binary).exists())
}

/// Builds those of the binaries that the cache does not have.
fn make(component: &Component, binaries: &[&str], how_far: &str) -> Result<()> {
    let recipe = build::Recipe::of(component)?;
    let missing = || binaries.iter().filter(|binary| !recipe.output().join(binary).exists());
    if missing().next().is_none() {
        return Ok(());
    }
    paths::make_folder(&recipe.output())?;
    // Another sandbox verb may be building the very same.
    let _held = lock::exclusive(&recipe.output().join(".lock"))?;
    let missing: Vec<&str> = missing().copied().collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<_> =
        missing.iter().map(|binary| component.package(binary)).collect::<Result<_>>()?;
    let (names, version) = (missing.join(", "), component.version()?);
    let what = format!("build {names} {version} from its Go module{how_far}");
    progress::step(what, || recipe.build(&missing, &packages))
}

fn given(folder: &Path, component: &Component, binary: &str) -> Result<PathBuf> {
    let product = format!("{}-{}", component.product.name, component.version()?);
    let path = folder.join(product).join(binary);
    if path.exists() {
        return Ok(path);
    }
    Err(Error::Refused(format!(
        "NAGAYA_BINARIES is set, but {} is not there; put it there or unset NAGAYA_BINARIES",
        path.display()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Component> {
        let mut all = vec![
            Component::etcd(),
            Component::containerd(),
            Component::local_path_provisioner(),
            Component::versitygw(),
            Component::metallb(),
            Component::metrics_server(),
            Component::kwok(),
        ];
        for minor in KUBERNETES_MINORS {
            all.push(Component::kubernetes(minor).unwrap());
            all.push(Component::coredns(minor));
            all.push(Component::konnectivity(minor));
        }
        all
    }

    #[test]
    fn every_component_has_a_pinned_version_that_begins_with_its_folders_line() {
        for component in all() {
            let version = component.version().unwrap();
            assert!(version.starts_with(&component.line), "{component:?} {version}");
        }
    }

    #[test]
    fn every_component_commits_its_sums() {
        for component in all() {
            assert!(component.folder().join("go.sum").exists(), "{component:?}");
        }
    }

    #[test]
    fn an_unknown_minor_is_refused_and_the_known_are_listed() {
        let error = Component::kubernetes("1.20").unwrap_err().to_string();
        assert!(error.contains("1.35, 1.36, 1.37"), "{error}");
    }

    #[test]
    fn an_unknown_binary_is_refused() {
        assert!(ensure(&Component::etcd(), "etcdfoo").is_err());
    }
}
