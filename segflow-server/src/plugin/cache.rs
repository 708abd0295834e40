//! Compiled modules on disk, so that a restart need not compile them again.
//!
//! The folder belongs to the server's user alone, and what is in it was written by a server of this user: nothing that comes from
//! outside, over the API or from the database, is ever put there except by compiling it.

use std::{
    fs::{self, DirBuilder, File},
    hash::{Hash, Hasher},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use wasmtime::{Engine, Module};

use super::{hex, limits};

const EXTENSION: &str = "cwasm";

pub struct Cache {
    folder: PathBuf,
    /// Of the wasmtime version, its settings and the processor: what another engine compiled is not even opened.
    engine: String,
    #[cfg(unix)]
    owner: u32,
}

impl Cache {
    pub fn open(folder: PathBuf, engine: &Engine) -> anyhow::Result<Self> {
        let cache = Self::open_io(&folder, engine)
            .map_err(|why| anyhow::anyhow!("cannot keep compiled plugins in {}: {why}", folder.display()))?;
        cache.prune();
        Ok(cache)
    }

    fn open_io(folder: &Path, engine: &Engine) -> io::Result<Self> {
        create_private(folder)?;
        // A file that this process makes has the owner that all others must have.
        let own = tempfile::tempfile_in(folder)?.metadata()?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::{MetadataExt, PermissionsExt};
            if fs::metadata(folder)?.uid() != own.uid() {
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the folder belongs to another user"));
            }
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
            Ok(Self { folder: folder.to_owned(), engine: fingerprint(engine), owner: own.uid() })
        }
        #[cfg(not(unix))]
        Ok(Self { folder: folder.to_owned(), engine: fingerprint(engine) })
    }

    /// What this server's engine compiled from the module of that name, unless it was damaged.
    pub fn get(&self, name: &str, engine: &Engine) -> Option<Module> {
        let path = self.path(name);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(why) if why.kind() == io::ErrorKind::NotFound => return None,
            Err(why) => {
                tracing::warn!(%why, "a compiled plugin cannot be read");
                return None;
            }
        };
        let read =
            self.read(file).and_then(|artifact| deserialize(engine, &artifact).map_err(|why| format!("{why:#}")));
        read.map_err(
            |why| tracing::warn!(%why, path = %path.display(), "a compiled plugin is not used; it is compiled again"),
        )
        .ok()
    }

    pub fn put(&self, name: &str, module: &Module) -> anyhow::Result<()> {
        let artifact = module.serialize().map_err(|why| anyhow::anyhow!("{why:#}"))?;
        // Under another name first: nobody, not even after a crash, sees half a file. Temporary files are for their owner only.
        let mut file = tempfile::Builder::new().suffix(&format!(".{EXTENSION}")).tempfile_in(&self.folder)?;
        file.write_all(&Sha256::digest(&artifact))?;
        file.write_all(&artifact)?;
        file.persist(self.path(name))?;
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}-{}.{EXTENSION}", self.engine))
    }

    /// The artifact in a file, with the checks that [`deserialize`] relies on.
    fn read(&self, mut file: File) -> Result<Vec<u8>, String> {
        let metadata = file.metadata().map_err(|why| why.to_string())?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            if metadata.uid() != self.owner || metadata.mode() & 0o022 != 0 {
                return Err("others could have written it".into());
            }
        }
        if !metadata.is_file() {
            return Err("it is not a file".into());
        }
        let mut bytes = Vec::with_capacity(metadata.len() as usize);
        file.read_to_end(&mut bytes).map_err(|why| why.to_string())?;
        let Some((digest, artifact)) = bytes.split_first_chunk::<32>() else { return Err("it is too short".into()) };
        if Sha256::digest(artifact)[..] != digest[..] {
            return Err("it is damaged".into());
        }
        bytes.drain(..32);
        Ok(bytes)
    }

    /// Removes the oldest artifacts beyond a number, left-over temporary files among them. Failing to is harmless.
    fn prune(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let mut files: Vec<_> = entries
            .filter_map(Result::ok)
            .filter(|entry| entry.path().extension().is_some_and(|extension| extension == EXTENSION))
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        files.sort();
        for (_, path) in files.iter().rev().skip(limits::KEPT_ON_DISK) {
            let _ = fs::remove_file(path);
        }
    }
}

fn create_private(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Differs whenever one engine could not run what another compiled.
fn fingerprint(engine: &Engine) -> String {
    struct Sha(Sha256);
    impl Hasher for Sha {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }

        fn finish(&self) -> u64 {
            0
        }
    }
    let mut sha = Sha(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut sha);
    hex(&sha.0.finalize()[..8])
}

/// The only unsafe code of the server.
#[allow(unsafe_code)]
fn deserialize(engine: &Engine, artifact: &[u8]) -> wasmtime::Result<Module> {
    // SAFETY: the bytes must be what `Module::serialize` gave, for they hold machine code that will run. They are: `put` alone writes
    // files of this name; the folder is closed to all other users and the file was seen to be this user's own and writable by nobody
    // else (whoever can act as this user can replace the server itself); a digest over all bytes rules out damage; they are in memory
    // already, so nothing can change between that check and this use. That they fit this engine is checked by wasmtime.
    unsafe { Module::deserialize(engine, artifact) }
}
