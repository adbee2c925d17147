//! A manager that runs on the stage.

use std::sync::Arc;

use nagaya::controllers;
use nagaya::leader::Leadership;
use nagaya::metrics::Metrics;
use nagaya::readiness::Readiness;
use nagaya::startup::Manager;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::process::Process;

/// It runs until it ends by itself or this is dropped.
pub struct Running {
    pub process: Process,
    pub leadership: Leadership,
    pub shutdown: CancellationToken,
    metrics: Arc<Metrics>,
    readiness: Readiness,
    task: JoinHandle<Result<(), controllers::Error>>,
}

impl Running {
    /// Starts `manager`, whose requests go out as `process`.
    pub fn start(manager: Manager, process: Process) -> Self {
        let runs = process.clone();
        Self {
            process,
            leadership: manager.leadership.clone(),
            shutdown: manager.shutdown.clone(),
            metrics: Arc::clone(&manager.metrics),
            readiness: manager.readiness.clone(),
            task: tokio::spawn(async move {
                runs.run(Box::pin(controllers::run(Arc::new(manager)))).await
            }),
        }
    }

    /// What Prometheus would get of it.
    pub fn scrape(&self) -> String {
        self.metrics.encode().unwrap()
    }

    /// How many passes over `TenantCluster`s it has made.
    pub fn passes(&self) -> u64 {
        let text = self.scrape();
        let counts = text.lines().filter_map(|line| {
            line.strip_prefix("nagaya_reconcile_time_seconds_count{controller=\"tenantcluster\"")
        });
        counts.map(|rest| rest.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }

    /// What `/readyz` waits for.
    pub fn waiting_for(&self) -> Vec<&'static str> {
        self.readiness.waiting_for()
    }

    /// Whether it has ended by itself.
    pub fn is_over(&self) -> bool {
        self.task.is_finished()
    }

    /// How it ended by itself.
    pub async fn ended(mut self) -> Result<(), controllers::Error> {
        (&mut self.task).await.unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}
