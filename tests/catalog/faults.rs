//! What cannot be served, when it is nearly everything, and each reason megabytes long.
use registry_core::backend::Fault;
use registry_core::models::fault::FaultSubject;
use registry_core::models::scope::Scope;

use super::backend;
use crate::support::served::Served;

#[tokio::test]
async fn of_many_faults_the_first_are_shown_and_all_are_counted() {
    let backend = backend(&["provider/a:1.0.0"]);
    let long = "é".repeat(1 << 20);
    let fault = |number: usize| Fault {
        repository: format!("r{number:05}"),
        subject: FaultSubject::Listing,
        reason: if number == 0 { long.clone() } else { "no sense".to_owned() },
    };
    *backend.faults.lock() = (0..5000).map(fault).collect();
    let served = Served::over(vec![backend]).await;
    served.catalog.syncer.sync(Scope::All).await.unwrap();
    let health = served.get("/health").await;
    assert!(health.body.len() < 20_000, "{} bytes", health.body.len());
    let of_gitea = &health.json()["backends"]["gitea"];
    let shown = of_gitea["faults"].as_array().unwrap();
    assert_eq!((shown.len(), &of_gitea["faults_total"]), (100, &5000.into()));
    assert_eq!(shown[0]["reason"].as_str().unwrap().chars().count(), 500);
    assert_eq!(shown[99]["repository"], "r00099");
}
