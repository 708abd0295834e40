//! Classes as a value, for those that are chosen at run time.

/// What `tw!("…")` gives: classes that are resolved already.
///
/// ```
/// # use segflow::prelude::*;
/// # let vip = true;
/// let banner = html! {
///     <Section class={if vip { tw!("bg-black text-white p-4") } else { tw!("bg-gray-100 p-4") }}>
///         <Text class={tw!("m-0")}>"Free shipping until Sunday"</Text>
///     </Section>
/// };
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Class {
    #[doc(hidden)]
    pub parts: [ClassPart; 3],
    #[doc(hidden)]
    pub align: &'static str,
    /// All four, for Outlook's buttons.
    #[doc(hidden)]
    pub padding: &'static str,
}

/// The declarations for the table around, the cell, or what is in it.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ClassPart {
    pub style: &'static str,
    pub name: &'static str,
    pub rules: &'static str,
}
