//! `#[segflow::project]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, ItemFn, Result};

pub fn expand(options: TokenStream, function: ItemFn) -> Result<TokenStream> {
    if !options.is_empty() {
        return Err(Error::new_spanned(options, "`#[segflow::project]` takes no options"));
    }
    let signature = &function.sig;
    if let Some(argument) = signature.inputs.first() {
        return Err(Error::new_spanned(argument, "the project is described without arguments"));
    }
    if let Some(asyncness) = signature.asyncness {
        return Err(Error::new_spanned(asyncness, "the project is described at once, not by an async function"));
    }
    let name = &signature.ident;
    Ok(quote! {
        #function

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            #[unsafe(no_mangle)]
            extern "C" fn segflow_abi() -> u32 {
                ::segflow::__private::ABI_VERSION
            }

            #[unsafe(no_mangle)]
            extern "C" fn segflow_alloc(len: u32) -> u32 {
                ::segflow::__private::wasm::alloc(len)
            }

            #[unsafe(no_mangle)]
            extern "C" fn segflow_call(pointer: u32, len: u32) -> u64 {
                ::segflow::__private::wasm::call(pointer, len, |request| ::segflow::dispatch::answer(#name, request))
            }
        };
    })
}
