//! The live log on stderr: what happens to users, as it happens, and the command that would move things on.

mod line;

use jiff::{Timestamp, tz::TimeZone};
use segflow_server::LiveEvent;
use tokio::sync::{mpsc, oneshot};

use crate::printer::{Printer, Tone};
use line::Layout;

pub struct LiveLog {
    orders: mpsc::UnboundedSender<Order>,
}

enum Order {
    Flush(oneshot::Sender<()>),
    Hints(bool),
}

impl LiveLog {
    /// `virtual_clock`: dates are shown, and hints how to move time. `once`: the server will be gone before anybody can look.
    pub fn start(printer: Printer, virtual_clock: bool, once: bool) -> (Self, mpsc::UnboundedSender<LiveEvent>) {
        let (events, receiver) = mpsc::unbounded_channel();
        let (orders, order_receiver) = mpsc::unbounded_channel();
        let writer = Writer {
            printer,
            layout: Layout::new(printer.err_width()),
            zone: if virtual_clock { TimeZone::UTC } else { TimeZone::system() },
            day: None,
            virtual_clock,
            hints: virtual_clock,
            once,
        };
        tokio::spawn(writer.run(receiver, order_receiver));
        (Self { orders }, events)
    }

    /// Everything that has happened so far is on the screen when this answers.
    pub async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        if self.orders.send(Order::Flush(done)).is_ok() {
            let _ = wait.await;
        }
    }

    /// Hints are noise while a file moves the clock.
    pub async fn hints(&self, on: bool) {
        self.flush().await;
        let _ = self.orders.send(Order::Hints(on));
    }
}

struct Writer {
    printer: Printer,
    layout: Layout,
    zone: TimeZone,
    day: Option<String>,
    virtual_clock: bool,
    hints: bool,
    once: bool,
}

impl Writer {
    async fn run(mut self, mut events: mpsc::UnboundedReceiver<LiveEvent>, mut orders: mpsc::UnboundedReceiver<Order>) {
        loop {
            tokio::select! {
                biased;
                event = events.recv() => match event {
                    Some(event) => self.write(&event),
                    None => return,
                },
                Some(order) = orders.recv() => match order {
                    Order::Flush(done) => {
                        while let Ok(event) = events.try_recv() {
                            self.write(&event);
                        }
                        let _ = done.send(());
                    }
                    Order::Hints(on) => self.hints = on && self.virtual_clock,
                },
            }
        }
    }

    fn write(&mut self, event: &LiveEvent) {
        let at = Timestamp::from_millisecond(event.at).unwrap_or_default().to_zoned(self.zone.clone());
        let day = at.strftime("%Y-%m-%d %A").to_string();
        if self.virtual_clock && self.day.as_ref() != Some(&day) {
            self.printer.note(self.printer.err(&day, Tone::Strong));
            self.day = Some(day);
        }
        let hint = event.next.as_ref().filter(|_| self.hints).map(|next| {
            // The argument of a shell command: `3d 2h` is two words.
            if next.contains(' ') {
                format!("(segflow clock advance \"{next}\")")
            } else {
                format!("(segflow clock advance {next})")
            }
        });
        let what = match event.what.split_once(", see /v1/") {
            Some((what, _)) if self.once => what,
            _ => &event.what,
        };
        let time = at.strftime("%H:%M:%S").to_string();
        for line in
            self.layout.lines(&time, &event.user, event.campaign.as_deref(), what, hint.as_deref(), &self.printer)
        {
            self.printer.note(line);
        }
    }
}
