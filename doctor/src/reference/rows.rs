//! What the reference says of each check.

use crate::Check;

/// What it looks at, and what kubeadm says or does where it fails.
pub const ROWS: &[(Check, &str, &str)] = &[
    (
        Check::Privileges,
        "whether this is root",
        "`[ERROR IsPrivilegedUser]: user is not running as root`",
    ),
    (
        Check::Programs,
        "`kubeadm`, `kubelet`, `mount`, `losetup` and `cp` on the path, and what versions the first two say they are",
        "`[ERROR FileExisting-…]: … not found in system path`, `couldn't get kubelet version`",
    ),
    (
        Check::KubeletService,
        "a systemd unit `kubelet.service` with kubeadm's drop-in, enabled",
        "a warning; then `The kubelet is not healthy after 4m0s`",
    ),
    (
        Check::Leftovers,
        "`kubelet.conf`, `bootstrap-kubelet.conf` and `pki/ca.crt` in `/etc/kubernetes`, and a client certificate in `/var/lib/kubelet/pki`; `admin.conf`, `pki/ca.key` and `manifests/*.yaml`, which a control plane has",
        "`[ERROR FileAvailable-…]: … already exists`; of the certificate nothing: the kubelet goes on with it, and gets `Unauthorized`",
    ),
    (
        Check::Port,
        "whether somebody listens on 10250, and who",
        "`[ERROR Port-10250]: Port 10250 is in use`",
    ),
    (
        Check::HostName,
        "whether the host's name (or `--node-name`) can be a node's",
        "a warning; then the kubelet cannot register its node",
    ),
    (
        Check::DiskSpace,
        "what is left on the file systems of `/var/lib/kubelet` and `/var/lib/containerd`, beside `evictionHard` of the cluster's `kubelet-config`",
        "`no space left on device` if nothing is left; else nothing: the node says `DiskPressure`, gets no pods, and evicts",
    ),
    (
        Check::Swap,
        "`/proc/swaps`, and `failSwapOn` of the cluster's `kubelet-config`",
        "a warning; then `The kubelet is not healthy after 4m0s`",
    ),
    (
        Check::IpForward,
        "`net.ipv4.ip_forward` (`net.ipv6.conf.default.forwarding` where the endpoint is an IPv6 address)",
        "`[ERROR FileContent--proc-sys-net-ipv4-ip_forward]` if the endpoint is an address; else nothing, and pods reach nobody",
    ),
    (
        Check::BridgeNetfilter,
        "whether `br_netfilter` is there, and `net.bridge.bridge-nf-call-iptables` is 1",
        "nothing: with a CNI that uses a bridge, Services fail for pods of the same node",
    ),
    (
        Check::Cgroups,
        "cgroup v2 with `cpu`, `cpuset`, `memory` and `pids`, and `failCgroupV1` of the cluster's `kubelet-config`",
        "`[ERROR SystemVerification]`; if that is ignored, `The kubelet is not healthy after 4m0s`",
    ),
    (
        Check::Runtime,
        "one CRI socket, and an answer of CRI v1 from it",
        "`[ERROR CRI]: … unknown service runtime.v1.RuntimeService`, `found multiple CRI endpoints on the host`",
    ),
    (
        Check::CgroupDriver,
        "the cgroup driver of the runtime (by CRI, else by containerd's configuration), that of the cluster's `kubelet-config`, and whether systemd runs",
        "nothing: no pod starts",
    ),
    (
        Check::Proxy,
        "`HTTPS_PROXY` and `NO_PROXY`: kubeadm would go through the proxy, the doctor does not",
        "a warning; then a timeout, or `x509: certificate signed by unknown authority`",
    ),
    (
        Check::Dns,
        "whether the endpoint's name has an address",
        "`dial tcp: lookup …: no such host`, after 5 minutes",
    ),
    (
        Check::Tcp,
        "a connection to one of its addresses",
        "`connection refused` or `i/o timeout`, after 5 minutes",
    ),
    (
        Check::Tls,
        "a TLS handshake, and an answer in HTTP",
        "`net/http: TLS handshake timeout`, `remote error: tls: unrecognized name` or `internal error`, `EOF`",
    ),
    (
        Check::Mtu,
        "whether full-size packets come through, and if twice not, which do",
        "`net/http: TLS handshake timeout`, or requests that never end",
    ),
    (
        Check::Clock,
        "this machine's clock beside the `Date` of the API server's answer, and beside its certificate's dates",
        "`x509: certificate has expired or is not yet valid` if its certificate is not valid by this clock; else nothing",
    ),
    (
        Check::ClusterInfo,
        "ConfigMap `kube-public/cluster-info`, asked for without a name as kubeadm does",
        "`failed to request the cluster-info ConfigMap`, after 5 minutes",
    ),
    (
        Check::Token,
        "the signature (JWS) of cluster-info that belongs to the token's id, and whether the API server takes the token",
        "`could not find a JWS signature in the cluster-info ConfigMap for token ID …`, after 5 minutes; `failed to verify JWS signature`",
    ),
    (
        Check::Pin,
        "the hash of each CA in cluster-info",
        "`cluster CA found in cluster-info ConfigMap is invalid: none of the public keys … are pinned`",
    ),
    (
        Check::Certificate,
        "the API server's certificate: signed by that CA, for this host name or address, valid by this clock",
        "`x509: certificate signed by unknown authority`, `x509: certificate is valid for …, not …`",
    ),
    (
        Check::Endpoint,
        "the server that cluster-info names, to which everything after discovery goes",
        "`dial tcp …`, of a host that the command does not name",
    ),
    (
        Check::Rights,
        "with the token: ConfigMaps `kubeadm-config` and `kubelet-config`, the node of this name, and whether a CSR may be created",
        "`Unauthorized`; `configmaps \"kubeadm-config\" is forbidden`; `timed out waiting for the condition` of the TLS bootstrap",
    ),
    (
        Check::Versions,
        "kubeadm and kubelet beside each other and the API server's `/version`",
        "`this version of kubeadm only supports deploying clusters with the control plane version >= …`; or nothing",
    ),
    (
        Check::NodeName,
        "whether the cluster has a Ready node of this name already",
        "`a Node with name … and status \"Ready\" already exists in the cluster`",
    ),
];
