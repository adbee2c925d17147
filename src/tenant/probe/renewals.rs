//! Whether kube-apiserver can write, without a write of ours: every 10 s it renews a Lease of its own
//! (`IdentityLeaseRenewIntervalPeriod`). One that is overdue is a reason to ask etcd, and says nothing more.

use http::{Request, header};
use http_body_util::BodyExt as _;
use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::List;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Client;
use kube::client::Body;

/// What the API servers have in memory: asking costs etcd nothing.
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases\
    ?labelSelector=apiserver.kubernetes.io%2Fidentity%3Dkube-apiserver&resourceVersion=0";
/// The interval with its jitter, and a moment for the write and for clocks that differ.
const OVERDUE: SignedDuration = SignedDuration::from_secs(14);

/// Whether no API server has renewed its Lease in time; `None`: the question is not answered.
pub(super) async fn are_overdue(client: &Client) -> Option<bool> {
    ask(client).await.map(|(leases, now)| is_overdue(&leases, now))
}

/// The Leases, and the time that the API server has: its clock is the one that they are dated by.
async fn ask(client: &Client) -> Option<(List<Lease>, Timestamp)> {
    let request = Request::get(LEASES).header(header::ACCEPT, "application/json");
    let (parts, body) = client.send(request.body(Body::empty()).ok()?).await.ok()?.into_parts();
    let date = parts.headers.get(header::DATE)?.to_str().ok()?;
    let now = rfc2822::DateTimeParser::new().parse_timestamp(date).ok()?;
    let body = body.collect().await.ok()?.to_bytes();
    Some((serde_json::from_slice(&body).ok()?, now))
}

fn is_overdue(leases: &List<Lease>, now: Timestamp) -> bool {
    let renewed = leases.items.iter().filter_map(|lease| lease.spec.as_ref()?.renew_time.as_ref());
    renewed.map(|time| time.0).max().is_some_and(|newest| now.duration_since(newest) > OVERDUE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_overdue_after(ages: &[i64]) -> bool {
        let now: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
        let lease = |age: &i64| {
            let renewed = now - SignedDuration::from_secs(*age);
            serde_json::json!({"metadata": {}, "spec": {"renewTime": renewed.to_string()}})
        };
        let items: Vec<_> = ages.iter().map(lease).collect();
        let list = serde_json::json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "LeaseList", "metadata": {}, "items": items,
        });
        is_overdue(&serde_json::from_value(list).unwrap(), now)
    }

    #[test]
    fn one_api_server_that_renews_its_lease_is_enough() {
        assert!(!is_overdue_after(&[11]));
        assert!(!is_overdue_after(&[3000, 3]));
        assert!(is_overdue_after(&[3000, 15]));
    }

    #[test]
    fn without_a_lease_nothing_is_known() {
        assert!(!is_overdue_after(&[]));
    }

    #[test]
    fn the_date_of_an_answer_is_read() {
        let date = "Thu, 26 Nov 2026 12:00:00 GMT";
        let read = rfc2822::DateTimeParser::new().parse_timestamp(date).unwrap();
        assert_eq!(read.to_string(), "2026-11-26T12:00:00Z");
    }
}
