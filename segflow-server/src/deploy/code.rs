//! The code of deployments, loaded when it is first needed.

use std::sync::Arc;

use segflow_core::Code;

use super::Deploy;
use crate::store::{Error, Result, deployments};

/// How many deployments are kept ready to run.
const KEPT: usize = 64;

impl Deploy {
    /// The code of a deployment.
    pub async fn code(&self, id: &str) -> Result<Code> {
        if let Some(code) = self.inner.codes.lock().expect("no panic while held").get(id) {
            return Ok(code.clone());
        }
        let db = &self.inner.store.db;
        let deployment = deployments::get(db, id).await?;
        let deployment = deployment.ok_or_else(|| Error::NotFound(format!("deployment `{id}`")))?;
        let wasm = deployments::module(db, &deployment.sha256).await?;
        let inner = self.inner.clone();
        let loading = tokio::task::spawn_blocking(move || inner.host.load(&deployment.sha256, &wasm));
        let module = loading.await.map_err(|e| Error::Internal(format!("loading a module failed: {e}")))?;
        let module = module.map_err(|e| Error::Internal(format!("a module that was accepted once: {e}")))?;
        let code = Code { plugin: module, manifest: Arc::new(deployment.manifest) };
        let mut codes = self.inner.codes.lock().expect("no panic while held");
        if codes.len() >= KEPT {
            codes.pop_first();
        }
        codes.insert(id.to_string(), code.clone());
        Ok(code)
    }
}
