//! The address that `default/kubernetes` leads to, on the loopback interface of the machine: no packet leaves it, and
//! every machine has its own.
//!
//! Its scope is `host`: one of scope `global` would become the source of packets that leave by an interface without an
//! address, such as those to pods with Calico (`inet_select_addr` of the kernel takes one of `lo` then), to which nobody
//! could answer. An IPv6 address has no scope to choose, and is deprecated instead, which has the same effect (RFC 6724,
//! section 5, rule 3).

//!
//! One message to the kernel and its answer (netlink(7), rtnetlink(7)): the crates that know all of them bring more than the
//! rest of this program has.

use std::io::{self, ErrorKind};
use std::net::IpAddr;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, recv, send, socket};

/// `lo` is the first of every network namespace (`LOOPBACK_IFINDEX`).
const LOOPBACK: u32 = 1;
/// What `ip address` shows beside it, so that somebody who wonders finds us.
const LABEL: &[u8] = b"lo:nagaya\0";

/// `RTM_NEWADDR`.
const NEW_ADDRESS: u16 = 20;
/// `NLMSG_ERROR`, which is the answer also where there is none.
const ERROR: u16 = 2;
/// `NLM_F_REQUEST`, `NLM_F_ACK`, `NLM_F_CREATE`, and `NLM_F_EXCL`, not `NLM_F_REPLACE`: everybody who watches addresses
/// would be told each time.
const FLAGS: u16 = 0x1 | 0x4 | 0x400 | 0x200;
/// `RT_SCOPE_HOST`.
const SCOPE_HOST: u8 = 254;
/// `IFA_F_NODAD`: nobody else can have it.
const NO_DUPLICATES: u8 = 2;
/// `IFA_ADDRESS`, `IFA_LOCAL`, `IFA_LABEL` and `IFA_CACHEINFO`.
const ADDRESS: u16 = 1;
const LOCAL: u16 = 2;
const LABELLED: u16 = 3;
const LIFETIME: u16 = 6;
/// Bytes of a message's header (`nlmsghdr`).
const HEADER: usize = 16;

/// Gives the machine the address. True: it did not have it.
///
/// # Errors
/// The kernel's: without `CAP_NET_ADMIN` it is refused.
pub fn ensure(address: IpAddr) -> io::Result<bool> {
    match ask(&build_message(address)) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

fn build_message(address: IpAddr) -> Vec<u8> {
    let (family, flags, octets) = match address {
        IpAddr::V4(address) => (AddressFamily::INET, 0, address.octets().to_vec()),
        IpAddr::V6(address) => (AddressFamily::INET6, NO_DUPLICATES, address.octets().to_vec()),
    };
    // Constants of both are below 256, and an address has 128 bits at most.
    let [family, _] = family.as_raw().to_ne_bytes();
    let bits = u8::try_from(octets.len() * 8).unwrap_or(u8::MAX);
    let mut body = vec![family, bits, flags, SCOPE_HOST];
    body.extend(LOOPBACK.to_ne_bytes());
    append(&mut body, LOCAL, &octets);
    append(&mut body, ADDRESS, &octets);
    match address {
        IpAddr::V4(_) => append(&mut body, LABELLED, LABEL),
        IpAddr::V6(_) => {
            // Preferred: never; valid: for ever; and two times that the kernel fills in.
            let lifetime = [0, u32::MAX, 0, 0].map(u32::to_ne_bytes);
            append(&mut body, LIFETIME, lifetime.as_flattened());
        }
    }
    let length = u32::try_from(HEADER + body.len()).unwrap_or(u32::MAX);
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(NEW_ADDRESS.to_ne_bytes());
    message.extend(FLAGS.to_ne_bytes());
    // Neither a number nor a sender: there is one answer, and it comes here.
    message.extend([0; 8]);
    message.extend(body);
    message
}

/// An attribute (`rtattr`), up to where the next one may begin.
fn append(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    body.extend(length.to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

/// One request and the kernel's answer.
fn ask(request: &[u8]) -> io::Result<()> {
    // Without a protocol it is NETLINK_ROUTE, and without an address the kernel.
    let socket = socket(AddressFamily::NETLINK, SocketType::RAW, None)?;
    send(&socket, request, SendFlags::empty())?;
    let mut answer = [0; 512];
    let (read, _) = recv(&socket, &mut answer, RecvFlags::empty())?;
    match code(&answer[..read]) {
        Some(0) => Ok(()),
        Some(code) => Err(io::Error::from_raw_os_error(-code)),
        None => Err(ErrorKind::InvalidData.into()),
    }
}

/// What the kernel says to a request: 0, or an error below.
fn code(answer: &[u8]) -> Option<i32> {
    let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
    let code = i32::from_ne_bytes(answer.get(HEADER..HEADER + 4)?.try_into().ok()?);
    (kind == ERROR).then_some(code)
}
