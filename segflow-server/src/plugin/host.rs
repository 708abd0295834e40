//! From pushed bytes to modules that can be called.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    Module, Rejected,
    cache::Cache,
    check,
    engine::engine,
    limits::{self, Budget},
    module::Runtime,
    sha256,
};

/// Checks, compiles and keeps plugins. One per server.
pub struct Host {
    runtime: Arc<Runtime>,
    cache: Option<Cache>,
    kept: Mutex<Kept>,
    /// Held while compiling, which takes seconds of a core and hundreds of MiB: one at a time is enough.
    compiling: Mutex<()>,
}

#[derive(Default)]
struct Kept {
    modules: HashMap<String, Entry>,
    uses: u64,
}

struct Entry {
    /// Empty while the module is being loaded; then its lock is held, and others who want the same module wait for it.
    module: Arc<Mutex<Option<Arc<Module>>>>,
    last_use: u64,
}

impl Host {
    /// `cache` is a folder for what was compiled; without it everything is compiled anew by each process.
    pub fn new(cache: Option<PathBuf>) -> anyhow::Result<Host> {
        Self::with_budget(cache, Budget::default())
    }

    pub(super) fn with_budget(cache: Option<PathBuf>, budget: Budget) -> anyhow::Result<Host> {
        let engine = engine()?;
        let cache = cache.map(|folder| Cache::open(folder, &engine)).transpose()?;
        let runtime = Arc::new(Runtime::new(engine, budget)?);
        Ok(Host { runtime, cache, kept: Mutex::default(), compiling: Mutex::new(()) })
    }

    /// A module that is loaded already.
    pub fn get(&self, sha256: &str) -> Option<Arc<Module>> {
        let entry = {
            let mut kept = lock(&self.kept);
            kept.uses += 1;
            let now = kept.uses;
            let entry = kept.modules.get_mut(sha256)?;
            entry.last_use = now;
            entry.module.clone()
        };
        // Being loaded is not loaded.
        entry.try_lock().ok()?.clone()
    }

    /// Checks and compiles a module, or takes what was compiled earlier. However many ask for the same one, it happens once.
    pub fn load(&self, sha256: &str, wasm: &[u8]) -> Result<Arc<Module>, Rejected> {
        let entry = self.entry(sha256);
        let mut place = lock(&entry);
        if let Some(module) = &*place {
            return Ok(module.clone());
        }
        let loaded = self.prepare(sha256, wasm);
        match &loaded {
            Ok(module) => *place = Some(module.clone()),
            Err(_) => drop(lock(&self.kept).modules.remove(sha256)),
        }
        loaded
    }

    /// The place of a module, made if need be. The one that was not used for longest makes room.
    fn entry(&self, sha256: &str) -> Arc<Mutex<Option<Arc<Module>>>> {
        let mut kept = lock(&self.kept);
        kept.uses += 1;
        let now = kept.uses;
        if !kept.modules.contains_key(sha256) && kept.modules.len() >= limits::KEPT_IN_MEMORY {
            // Never one that is being loaded: a second load of it would begin beside the first.
            let loaded = kept.modules.iter().filter(|(_, entry)| entry.module.try_lock().is_ok());
            let oldest = loaded.min_by_key(|(_, entry)| entry.last_use).map(|(name, _)| name.clone());
            oldest.map(|name| kept.modules.remove(&name));
        }
        let entry =
            kept.modules.entry(sha256.to_owned()).or_insert_with(|| Entry { module: Arc::default(), last_use: 0 });
        entry.last_use = now;
        entry.module.clone()
    }

    fn prepare(&self, name: &str, wasm: &[u8]) -> Result<Arc<Module>, Rejected> {
        // Also of what is in the cache: it may have been compiled when less was checked.
        check::check(wasm)?;
        let real = sha256(wasm);
        if real != name {
            return Err(Rejected::new("wrong_hash", format!("the module's SHA-256 is {real}, not {name}")));
        }
        let compiled = match self.cache.as_ref().and_then(|cache| cache.get(name, &self.runtime.engine)) {
            Some(compiled) => compiled,
            None => self.compile(name, wasm)?,
        };
        Module::new(self.runtime.clone(), &compiled).map(Arc::new)
    }

    fn compile(&self, name: &str, wasm: &[u8]) -> Result<wasmtime::Module, Rejected> {
        let _one_at_a_time = lock(&self.compiling);
        let compiled = wasmtime::Module::from_binary(&self.runtime.engine, wasm)
            .map_err(|why| check::not_a_plugin(&format!("{why:#}")))?;
        if let Some(cache) = &self.cache
            && let Err(why) = cache.put(name, &compiled)
        {
            tracing::warn!(%why, "a compiled plugin could not be kept; it is compiled again after a restart");
        }
        Ok(compiled)
    }
}

/// Whoever panicked with this lock held left nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
