#!/bin/sh
# Installs containerd, kubelet and kubeadm {{ .Version }} on Debian, then runs its arguments.
# Written by Nagaya for the cluster that this machine is to join.
set -eu
export DEBIAN_FRONTEND=noninteractive

# What kubelet and kube-proxy need of the kernel, now and after every boot.
printf '%s\n' overlay br_netfilter >/etc/modules-load.d/kubernetes.conf
modprobe -a overlay br_netfilter
cat >/etc/sysctl.d/99-kubernetes.conf <<SYSCTL
net.ipv4.ip_forward = 1
net.ipv6.conf.all.forwarding = 1
net.bridge.bridge-nf-call-iptables = 1
net.bridge.bridge-nf-call-ip6tables = 1
SYSCTL
sysctl --system >/dev/null
# The kubelet refuses to start with swap.
swapoff -a
sed -i -E '/^[^#].*[[:space:]]swap[[:space:]]/s/^/#/' /etc/fstab

# The machine may still be bringing up its network: let apt and curl try again.
retry='-o Acquire::Retries=10'
apt-get $retry update
apt-get $retry install --yes ca-certificates curl containerd

repository=https://pkgs.k8s.io/core:/stable:/v{{ .Minor }}/deb
install -d -m 0755 /etc/apt/keyrings
curl --fail --silent --show-error --location --retry 10 --retry-all-errors \
    --output /etc/apt/keyrings/kubernetes.asc "$repository/Release.key"
echo "deb [signed-by=/etc/apt/keyrings/kubernetes.asc] $repository/ /" >/etc/apt/sources.list.d/kubernetes.list
apt-get $retry update
apt-get $retry install --yes 'kubelet={{ .Version }}-*' 'kubeadm={{ .Version }}-*'
# An upgrade of all packages must not move the node past its control plane.
apt-mark hold kubelet kubeadm

# containerd's own defaults but for the cgroup driver, which must be the kubelet's, and the sandbox image
# (sandbox_image until containerd 1.7, sandbox since 2.0).
mkdir -p /etc/containerd
containerd config default |
    sed -E -e 's|^( *SystemdCgroup = ).*|\1{{ .SystemdCgroup }}|' \
        -e "s|^( *sandbox(_image)? = ).*|\1'{{ .PauseImage }}'|" >/etc/containerd/config.toml
systemctl restart containerd
systemctl enable --now kubelet

exec "$@"
