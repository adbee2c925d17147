//! The validate step: a raw `TenantCluster` and what was observed become a [`Tenant`], or a refusal that
//! names the field and says what to do.
