//! The products, their Go modules and the binaries they are used for.

/// A product: its Go module and the binaries it is used for.
#[derive(Debug, PartialEq, Eq)]
pub struct Product {
    /// Its name, in folders and messages.
    pub name: &'static str,
    /// The module whose version is the product's version.
    pub module: &'static str,
    /// Binary name and the package it is built from.
    pub binaries: &'static [(&'static str, &'static str)],
    /// Build tags, as the product's own release sets them.
    pub tags: &'static str,
    /// Whether the version is stamped in by the linker: without it kubeadm turns its version-skew
    /// checks off.
    pub stamped: bool,
}

/// kubeadm, kubelet, kubectl and the control plane.
pub static KUBERNETES: Product = Product {
    name: "kubernetes",
    module: "k8s.io/kubernetes",
    binaries: &[
        ("kubeadm", "k8s.io/kubernetes/cmd/kubeadm"),
        ("kubelet", "k8s.io/kubernetes/cmd/kubelet"),
        ("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
        ("kube-proxy", "k8s.io/kubernetes/cmd/kube-proxy"),
        ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
        ("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"),
        ("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"),
    ],
    tags: "selinux,notest,grpcnotrace",
    stamped: true,
};
/// The database of every control plane.
pub static ETCD: Product = Product {
    name: "etcd",
    module: "go.etcd.io/etcd/server/v3",
    binaries: &[
        ("etcd", "go.etcd.io/etcd/server/v3"),
        ("etcdctl", "go.etcd.io/etcd/etcdctl/v3"),
        ("etcdutl", "go.etcd.io/etcd/etcdutl/v3"),
    ],
    tags: "",
    stamped: false,
};
/// The container runtime of every host.
pub static CONTAINERD: Product = Product {
    name: "containerd",
    module: "github.com/containerd/containerd/v2",
    binaries: &[
        ("containerd", "github.com/containerd/containerd/v2/cmd/containerd"),
        (
            "containerd-shim-runc-v2",
            "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
        ),
        ("ctr", "github.com/containerd/containerd/v2/cmd/ctr"),
    ],
    tags: "",
    stamped: false,
};
/// The DNS server of every cluster.
pub static COREDNS: Product = Product {
    name: "coredns",
    module: "github.com/coredns/coredns",
    binaries: &[("coredns", "github.com/coredns/coredns")],
    tags: "",
    stamped: false,
};
/// The management cluster's default storage class.
pub static LOCAL_PATH_PROVISIONER: Product = Product {
    name: "local-path-provisioner",
    module: "github.com/rancher/local-path-provisioner",
    binaries: &[("local-path-provisioner", "github.com/rancher/local-path-provisioner")],
    tags: "",
    stamped: false,
};
/// An S3 server for the tests of snapshots; its objects are files.
pub static VERSITYGW: Product = Product {
    name: "versitygw",
    module: "github.com/versity/versitygw",
    binaries: &[("versitygw", "github.com/versity/versitygw/cmd/versitygw")],
    tags: "",
    stamped: false,
};
/// The tunnel between a control plane and its nodes.
pub static KONNECTIVITY: Product = Product {
    name: "konnectivity",
    module: "sigs.k8s.io/apiserver-network-proxy",
    binaries: &[
        ("proxy-server", "sigs.k8s.io/apiserver-network-proxy/cmd/server"),
        ("proxy-agent", "sigs.k8s.io/apiserver-network-proxy/cmd/agent"),
    ],
    tags: "",
    stamped: false,
};
/// A load balancer of the management cluster, for the tests of tenants behind one.
pub static METALLB: Product = Product {
    name: "metallb",
    module: "go.universe.tf/metallb",
    binaries: &[
        ("controller", "go.universe.tf/metallb/controller"),
        ("speaker", "go.universe.tf/metallb/speaker"),
    ],
    tags: "",
    stamped: false,
};
/// An aggregated API in a tenant's cluster, which asks kubelets.
pub static METRICS_SERVER: Product = Product {
    name: "metrics-server",
    module: "sigs.k8s.io/metrics-server",
    binaries: &[("metrics-server", "sigs.k8s.io/metrics-server/cmd/metrics-server")],
    tags: "",
    stamped: false,
};
/// Plays kubelets, for very many pods that do not run.
pub static KWOK: Product = Product {
    name: "kwok",
    module: "sigs.k8s.io/kwok",
    binaries: &[("kwok", "sigs.k8s.io/kwok/cmd/kwok")],
    tags: "",
    stamped: false,
};
