//! Components write into the email they stand in: neither they nor what stands between their tags has strings of its own.

use std::cell::Cell;

use super::{Html, Show};

/// A component with its props, as `html!` names it.
pub trait Part {
    fn write(self, into: &mut Html);
}

/// What stands between the tags of a component, written when the component comes to it. `#[component]` takes it in place of
/// [`Children`](super::Children) where it is shown once and nothing else is done with it.
#[derive(Default)]
pub struct Within<'a>(Cell<Option<Content<'a>>>);

enum Content<'a> {
    Later(&'a mut dyn Later),
    Made(Html),
}

trait Later {
    fn write(&mut self, into: &mut Html);
}

impl<F: FnOnce(&mut Html)> Later for Option<F> {
    fn write(&mut self, into: &mut Html) {
        if let Some(write) = self.take() {
            write(into);
        }
    }
}

/// What `html!` makes of the children.
pub fn later<F: FnOnce(&mut Html)>(write: &mut Option<F>) -> Within<'_> {
    Within(Cell::new(Some(Content::Later(write))))
}

impl From<Html> for Within<'_> {
    fn from(made: Html) -> Self {
        Within(Cell::new(Some(Content::Made(made))))
    }
}

/// For a component that does more with them than to show them.
impl From<Within<'_>> for Html {
    fn from(within: Within<'_>) -> Html {
        match within.0.take() {
            Some(Content::Made(made)) => made,
            Some(Content::Later(later)) => {
                let mut made = Html::with_room(0, 0);
                later.write(&mut made);
                made
            }
            None => Html::default(),
        }
    }
}

impl Show for Within<'_> {
    fn html(&self, out: &mut String) {
        Html::from(Within(Cell::new(self.0.take()))).html(out);
    }

    fn text(&self, out: &mut String) {
        Html::from(Within(Cell::new(self.0.take()))).text(out);
    }

    fn show(&self, into: &mut Html) {
        match self.0.take() {
            Some(Content::Later(later)) => later.write(into),
            Some(Content::Made(made)) => into.append(&made),
            None => {}
        }
    }
}
