//! What etcd 3.6 answers, word for word.

use nagaya_render::membership::Store;

use super::*;

#[test]
fn a_state_is_read_as_the_gateway_writes_it() {
    let text = r#"{"header":{"cluster_id":"14841639068965178418","member_id":"10276657743932975437",
        "revision":"1","raft_term":"2"},"version":"3.6.16","dbSize":"20480","leader":"10276657743932975437",
        "raftIndex":"4","raftTerm":"2","raftAppliedIndex":"4","dbSizeInUse":"16384","storageVersion":"3.6.0",
        "dbSizeQuota":"1073741824"}"#;
    let state: MemberStatus = serde_json::from_str(text).unwrap();
    assert_eq!(state.header.member_id, 10_276_657_743_932_975_437);
    let store = Store { ordinal: 2, size: 20_480, in_use: 16_384, quota: 1 << 30, applied: 4 };
    assert_eq!((state.store(2), state.header.revision), (store, 1));
    assert!(state.is_healthy() && !state.has_no_space());
}

#[test]
fn without_a_leader_a_member_is_ill_and_a_full_one_is_well() {
    let ill: MemberStatus =
        serde_json::from_str(r#"{"header":{},"errors":["etcdserver: no leader"]}"#).unwrap();
    assert!(!ill.is_healthy());
    let full: MemberStatus = serde_json::from_str(
        r#"{"leader":"1","errors":["memberID:10276657743932975437 alarm:NOSPACE "]}"#,
    )
    .unwrap();
    assert!(full.is_healthy() && full.has_no_space());
}

#[test]
fn a_member_is_known_by_its_peer_url_before_it_has_a_name() {
    let text = r#"{"members":[
        {"ID":"1","name":"etcd-0","peerURLs":["https://etcd-0.etcd.plane.svc:2380"],"clientURLs":[]},
        {"ID":"18249187646912138824","peerURLs":["https://etcd-1.etcd.plane.svc:2380"],"isLearner":true},
        {"ID":"3","peerURLs":["https://elsewhere:2380"]}]}"#;
    let list: MemberList = serde_json::from_str(text).unwrap();
    let known: Vec<_> =
        list.members.iter().map(|one| (ordinal(one, "plane"), one.learner)).collect();
    assert_eq!(known, [(Some(0), false), (Some(1), true), (None, false)]);
}

#[test]
fn a_member_may_not_list_the_others_out_of_its_own_memory() {
    assert_eq!(list_request().to_string(), r#"{"linearizable":true}"#);
}

#[test]
fn a_refusal_is_told_in_etcds_words() {
    let body = br#"{"code":9, "message":"etcdserver: can only promote a learner member which is in sync with leader", "details":[]}"#;
    assert!(message(body).starts_with("etcdserver: can only promote"));
    assert_eq!(message(b"not JSON"), "not JSON");
}

#[test]
fn an_alarm_has_the_name_of_the_member_that_raised_it() {
    let text = r#"{"header":{},"alarms":[{"memberID":"10276657743932975437","alarm":"NOSPACE"}]}"#;
    let raised: Alarms = serde_json::from_str(text).unwrap();
    assert_eq!(raised.alarms[0].member, 10_276_657_743_932_975_437);
    assert_eq!(raised.alarms[0].kind, NOSPACE);
    assert!(serde_json::from_str::<Alarms>(r#"{"header":{}}"#).unwrap().alarms.is_empty());
}
