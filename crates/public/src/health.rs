//! Public JSON of the health of the service.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Health of the service and its backends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Health)]
pub struct HealthBody {
    /// `healthy`; `degraded`: a backend is down or stale, or the bucket or the shared engine fails; `unhealthy`:
    /// nothing can be served.
    #[schema(example = "healthy")]
    pub status: String,
    /// Version of the service.
    pub version: String,
    /// Seconds since the start.
    pub uptime: u64,
    /// Every backend by name. `gitea`, `oci` and `local` are always there: where no backend has that
    /// name, they sum up the backends of the kind.
    pub backends: BTreeMap<String, BackendHealthBody>,
    /// Reason why the state is currently not saved to disk; null without a failure, if saving is
    /// disabled, and, if client tokens are required, without a token.
    pub state_error: Option<String>,
    /// Artifact cache on disk.
    pub artifact_store: StoreHealthBody,
    /// Certificate of the listener; null without TLS.
    pub certificate: Option<CertificateHealthBody>,
    /// Engine that the replicas of this registry share; null without one. Answers never depend on it.
    pub shared: Option<SharedHealthBody>,
}

/// Health of the engine that replicas share, as this replica sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = SharedHealth)]
pub struct SharedHealthBody {
    /// False while the engine cannot be used, or only in part; this replica then goes on alone.
    pub healthy: bool,
    /// Latest error while it is not healthy. If client tokens are required, null without a token.
    pub last_error: Option<String>,
    /// A setting of the engine that endangers what it holds. If client tokens are required, null
    /// without a token.
    pub warning: Option<String>,
    /// Name and version of the engine; null before the first connection and, if client tokens are
    /// required, without a token.
    #[schema(example = "Valkey 9.1.2")]
    pub server: Option<String>,
    /// Number of replicas at the latest report, this one included.
    pub replicas: usize,
    /// Number of those replicas whose backends, `catalog.order`, `catalog.merge` or
    /// `catalog.allow_takeover` are not those of this one.
    pub differing_replicas: usize,
    /// Number of replicas that use the same name with another secret.
    pub foreign_replicas: usize,
    /// What this replica does about each backend that the replicas share.
    pub backends: BTreeMap<String, SharedBackendBody>,
}

/// What this replica does about a backend that the replicas share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = SharedBackend)]
pub struct SharedBackendBody {
    /// `writer`: it reads the backend for all replicas; `follower`: it applies what the writer
    /// publishes; `alone`: it reads the backend for itself, because the engine is away.
    #[schema(example = "follower")]
    pub role: String,
    /// Seconds since the last entry in the log, or since the start. The writer adds one every 15
    /// seconds at least.
    pub log_age: u64,
    /// True while entries of the log are missing and a snapshot is awaited.
    pub gap: bool,
}

/// Health of the certificate of the listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = CertificateHealth)]
pub struct CertificateHealthBody {
    /// Time at which the certificate in use expires. RFC 3339, UTC.
    #[schema(format = DateTime)]
    pub expires: String,
    /// False while the files hold something that cannot be used.
    pub renewed: bool,
    /// Reason why the files cannot be used. If client tokens are required, null without a token.
    pub renewal_error: Option<String>,
}

/// Health of the artifact cache. Downloads never depend on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = StoreHealth)]
pub struct StoreHealthBody {
    /// True if the cache is enabled.
    pub enabled: bool,
    /// True if the disk is writable; otherwise archives are passed through.
    pub healthy: bool,
    /// Latest error of the disk while it fails. If client tokens are required, null without a
    /// token.
    pub last_error: Option<String>,
    /// Number of cached archives.
    pub artifacts: usize,
    /// Total size of the archives, in bytes.
    pub bytes: u64,
    /// Maximum total size, in bytes.
    pub max_bytes: u64,
    /// Bucket that several instances of the service share; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<BucketHealthBody>,
}

/// Health of the bucket for archives. Downloads never depend on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = BucketHealth)]
pub struct BucketHealthBody {
    /// True if a bucket is configured.
    pub enabled: bool,
    /// True if the latest reads and uploads succeeded; otherwise backends get the requests instead.
    pub healthy: bool,
    /// Latest error while the bucket fails. If client tokens are required, null without a token.
    pub last_error: Option<String>,
}

/// Health of one backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = BackendHealth)]
pub struct BackendHealthBody {
    /// `gitea`, `oci` or `local`.
    pub kind: String,
    /// True if the backend is configured.
    pub enabled: bool,
    /// True if the latest request to the backend succeeded.
    pub healthy: bool,
    /// RFC 3339, UTC.
    #[schema(format = DateTime)]
    pub last_success: Option<String>,
    /// Latest error while the backend fails. If client tokens are required, null without a token.
    pub last_error: Option<String>,
    /// Seconds since the backend was last read.
    pub age: Option<u64>,
    /// True if responses are marked as stale because of the age.
    pub stale: bool,
    /// State of the circuit breaker, if there is one: `closed`, `open` (no requests are sent for a
    /// while), or `half-open` (one request decides).
    pub breaker: Option<String>,
    /// Number of extensions.
    pub extensions: usize,
    /// The first hundred faults. If client tokens are required, empty without a token: faults
    /// contain names.
    pub faults: Vec<FaultBody>,
    /// Total number of faults.
    pub faults_total: usize,
}

/// A repository, or a part, that a backend cannot serve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = FaultView)]
pub struct FaultBody {
    /// Name of the repository.
    pub repository: String,
    /// `listing`, `naming`, `removal`, `repository`, `release TAG` or `download TAG`
    pub subject: String,
    /// Reason, in plain text.
    pub reason: String,
}
