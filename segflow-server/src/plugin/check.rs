//! What is looked at before a module is compiled: whether it keeps to the ABI, and everything that a few bytes can make expensive.

use segflow_core::protocol::ABI_VERSION;
use wasmparser::{
    BinaryReaderError, Data, DataKind, Encoding, ExternalKind, FunctionBody, MemoryType, Operator, OperatorsReader,
    Parser, Payload, TypeRef,
};

use super::{Rejected, limits};

/// The only thing a plugin may import: `(import "segflow" "panic" (func (param i32 i32)))`.
pub const IMPORT: (&str, &str) = ("segflow", "panic");

/// Reads the outline of a module. That its code is valid is for the compiler to find out.
pub fn check(wasm: &[u8]) -> Result<(), Rejected> {
    if wasm.len() > limits::MODULE_BYTES {
        return Err(Rejected::new(
            "too_large",
            format!("the module has {} bytes, at most {} are taken", wasm.len(), limits::MODULE_BYTES),
        ));
    }
    let mut outline = Outline::default();
    for payload in Parser::new(0).parse_all(wasm) {
        if let Ok(Payload::Version { encoding: Encoding::Component, .. }) = payload {
            return Err(not_a_plugin("a component, where a core module is expected"));
        }
        payload.and_then(|payload| outline.read(payload)).map_err(|why| not_a_plugin(&why.to_string()))?;
    }
    outline.finish()
}

/// A module of another version may differ in all the rest, so this is what its pusher hears first.
pub fn check_abi(version: u32) -> Result<(), Rejected> {
    if version == ABI_VERSION {
        return Ok(());
    }
    let older = if version > ABI_VERSION { "the server is older" } else { "the plugin's SDK is older" };
    Err(Rejected::new(
        "abi_version",
        format!("the plugin speaks version {version}, this server version {ABI_VERSION} ({older})"),
    ))
}

pub fn not_a_plugin(why: &str) -> Rejected {
    Rejected::new("not_a_plugin", format!("not a plugin: {why}"))
}

#[derive(Default)]
struct Outline {
    problems: Vec<Rejected>,
    /// Bytes of the memory as the module begins.
    memory: Option<u64>,
    imported_functions: u32,
    bodies: u32,
    locals: u64,
    exports: Vec<(String, ExternalKind)>,
    abi_function: Option<u32>,
    abi: Option<u32>,
}

impl Outline {
    fn refuse(&mut self, code: &'static str, message: String) {
        self.problems.push(Rejected::new(code, message));
    }

    fn at_most(&mut self, code: &'static str, what: &str, count: u64, limit: u64) {
        if count > limit {
            self.refuse(code, format!("{count} {what}, at most {limit} are taken"));
        }
    }

    fn read(&mut self, payload: Payload<'_>) -> Result<(), BinaryReaderError> {
        match payload {
            Payload::TypeSection(types) => {
                self.at_most("too_many_functions", "types", types.count().into(), limits::TYPES.into());
            }
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let import = import?;
                    self.imported_functions += u32::from(matches!(import.ty, TypeRef::Func(_)));
                    if (import.module, import.name) != IMPORT {
                        self.refuse(
                            "forbidden_import",
                            format!(
                                "imports `{}` from `{}`: plugins have no clock, files, network or JavaScript",
                                import.name, import.module
                            ),
                        );
                    }
                }
            }
            Payload::FunctionSection(functions) => {
                self.at_most("too_many_functions", "functions", functions.count().into(), limits::FUNCTIONS.into());
            }
            Payload::GlobalSection(globals) => {
                self.at_most("too_large", "globals", globals.count().into(), limits::GLOBALS.into());
            }
            Payload::TableSection(tables) => {
                self.at_most("table_too_large", "tables", tables.count().into(), 1);
                for table in tables {
                    self.at_most("table_too_large", "table elements", table?.ty.initial, limits::TABLE_ELEMENTS as u64);
                }
            }
            Payload::MemorySection(memories) => {
                self.at_most("memory_too_large", "memories", memories.count().into(), 1);
                for memory in memories {
                    self.memory(memory?);
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export?;
                    if export.name == "segflow_abi" && export.kind == ExternalKind::Func {
                        self.abi_function = Some(export.index);
                    }
                    self.exports.push((export.name.to_owned(), export.kind));
                }
            }
            Payload::CodeSectionEntry(body) => self.body(body)?,
            Payload::DataSection(segments) => {
                for segment in segments {
                    self.data(segment?)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn memory(&mut self, memory: MemoryType) {
        if memory.memory64 || memory.shared || memory.page_size_log2.is_some() {
            self.problems.push(not_a_plugin("its memory is not an ordinary 32-bit one"));
        }
        let bytes = memory.initial.saturating_mul(limits::PAGE);
        self.at_most("memory_too_large", "bytes of memory to begin with", bytes, limits::MEMORY_BYTES as u64);
        self.memory = Some(bytes);
    }

    fn body(&mut self, body: FunctionBody<'_>) -> Result<(), BinaryReaderError> {
        let index = self.imported_functions + self.bodies;
        self.bodies += 1;
        let bytes = body.range().len() as u64;
        self.at_most("function_too_large", "bytes in one function", bytes, limits::FUNCTION_BYTES as u64);
        let before = self.locals;
        for group in body.get_locals_reader()? {
            self.locals += u64::from(group?.0);
        }
        if before <= limits::LOCALS {
            self.at_most("too_many_functions", "local variables", self.locals, limits::LOCALS);
        }
        if self.abi_function == Some(index) {
            self.abi = constant(body.get_operators_reader()?)?;
        }
        Ok(())
    }

    /// An instance begins as an image that reaches from the first byte of data to the last: nobody may ask for a gigabyte of it.
    fn data(&mut self, segment: Data<'_>) -> Result<(), BinaryReaderError> {
        let DataKind::Active { offset_expr, .. } = segment.kind else { return Ok(()) };
        let end =
            constant(offset_expr.get_operators_reader())?.map(|offset| u64::from(offset) + segment.data.len() as u64);
        if end.is_none_or(|end| end > self.memory.unwrap_or(0)) {
            self.refuse("data_outside_memory", "has data outside the memory it begins with".into());
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(), Rejected> {
        if let Some(version) = self.abi {
            check_abi(version)?;
        }
        let wanted = [
            ("memory", ExternalKind::Memory),
            ("segflow_abi", ExternalKind::Func),
            ("segflow_alloc", ExternalKind::Func),
            ("segflow_call", ExternalKind::Func),
        ];
        let missing: Vec<_> = wanted
            .iter()
            .filter(|(name, kind)| !self.exports.iter().any(|export| (export.0.as_str(), export.1) == (*name, *kind)))
            .map(|(name, _)| format!("`{name}`"))
            .collect();
        if !missing.is_empty() {
            let message = format!(
                "does not export {}: is `#[segflow::project]` on a function of this crate?",
                missing.join(", ")
            );
            self.problems.insert(0, Rejected::new("missing_export", message));
        }
        self.all_at_once()
    }

    /// The first problem names the code; the message has them all, for one push should be enough to learn them.
    fn all_at_once(self) -> Result<(), Rejected> {
        let mut messages: Vec<String> = Vec::new();
        for problem in &self.problems {
            if !messages.contains(&problem.message) && messages.len() < 10 {
                messages.push(problem.message.clone());
            }
        }
        match self.problems.first() {
            Some(first) => Err(Rejected::new(first.code, messages.join("; "))),
            None => Ok(()),
        }
    }
}

/// What code of one constant gives. Code that is anything else gives nothing here, and is asked when the module runs.
fn constant(mut code: OperatorsReader<'_>) -> Result<Option<u32>, BinaryReaderError> {
    let Operator::I32Const { value } = code.read()? else { return Ok(None) };
    Ok(matches!(code.read()?, Operator::End).then_some(value as u32))
}
