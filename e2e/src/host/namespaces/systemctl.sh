#!/bin/sh
# What kubeadm asks systemd about the kubelet, answered by the sandbox's supervisor:
# a stopped kubelet has the file /run/nagaya/kubelet.stopped, a running one /run/nagaya/kubelet.pid.
run=/run/nagaya
verb=$1
shift $(($# > 0 ? 1 : 0))
for word in "$@"; do
  case $word in -*) ;; *) unit=${word%.service} ;; esac
done
await_end() {
  for _ in $(seq 300); do
    [ -e "$run/kubelet.pid" ] || return 0
    sleep 0.05
  done
  echo "the kubelet does not end" >&2
  return 1
}
case $verb in daemon-reload) exit 0 ;; esac
case $unit in
kubelet) ;;
containerd) [ "$verb" = is-active ] && echo active && exit 0 ;;
*)
  echo inactive
  exit 3
  ;;
esac
case $verb in
stop) touch "$run/kubelet.stopped" && await_end ;;
start) rm -f "$run/kubelet.stopped" ;;
restart) touch "$run/kubelet.stopped" && await_end && rm -f "$run/kubelet.stopped" ;;
is-enabled) echo enabled ;;
is-active) if [ -e "$run/kubelet.stopped" ]; then echo inactive && exit 3; else echo active; fi ;;
status) echo "Loaded: loaded (the sandbox's supervisor; enabled)" ;;
*) exit 0 ;;
esac
