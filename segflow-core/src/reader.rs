//! Who opened a message or followed a link in it, as far as that can be told.

/// What is known of a reader, or of what came in their place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reader {
    pub by: By,
    /// The name of the program, as it gives it.
    pub agent: Option<String>,
    /// ISO 3166-1, two capital letters; of whoever says it, not looked up here.
    pub country: Option<String>,
}

impl Reader {
    /// Of an opening that a provider tells.
    pub fn opening(agent: Option<String>) -> Reader {
        Reader { by: By::named(agent.as_deref(), true), agent, country: None }
    }

    /// Of a link that was followed, as a provider tells it.
    pub fn click(agent: Option<String>) -> Reader {
        Reader { by: By::named(agent.as_deref(), false), agent, country: None }
    }

    pub fn from(self, country: Option<&str>) -> Reader {
        Reader { country: country.and_then(country_code), ..self }
    }

    pub fn device(&self) -> Option<Device> {
        self.agent.as_deref().and_then(Device::of)
    }
}

/// Two letters, if it is a country: some say `XX` or `T1` of what they do not know.
fn country_code(told: &str) -> Option<String> {
    let code = told.trim().to_ascii_uppercase();
    let is_one = code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase()) && code != "XX";
    is_one.then_some(code)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    Person,
    /// A mail program that fetches everything before anybody looks at it.
    Prefetch,
    /// Something that looks through mail.
    Robot,
}

impl By {
    pub fn name(self) -> &'static str {
        match self {
            By::Person => "person",
            By::Prefetch => "prefetch",
            By::Robot => "robot",
        }
    }

    /// By the name of the program alone. A provider that gives none has seen a person.
    fn named(agent: Option<&str>, opens: bool) -> By {
        match agent.map(str::to_ascii_lowercase) {
            Some(agent) if opens && is_apple(&agent) => By::Prefetch,
            Some(agent) if is_robot(&agent) => By::Robot,
            _ => By::Person,
        }
    }
}

/// Apple's mail fetches all pictures by itself, under no name but this. In small letters.
pub fn is_apple(agent: &str) -> bool {
    agent == "mozilla/5.0"
}

/// Whether a program, in small letters, is one that looks through mail, follows links for previews, or is a script.
pub fn is_robot(agent: &str) -> bool {
    ROBOTS.iter().any(|name| agent.contains(name))
}

const ROBOTS: &[&str] = &[
    "bot",
    "crawl",
    "spider",
    "slurp",
    "scan",
    "preview",
    "monitor",
    "headless",
    "phantom",
    "curl/",
    "wget/",
    "python",
    "java/",
    "go-http-client",
    "okhttp",
    "axios",
    "node-fetch",
    "libwww",
    "httpclient",
    "barracuda",
    "proofpoint",
    "mimecast",
    "safelinks",
    "symantec",
    "sophos",
    "trendmicro",
    "fortinet",
    "facebookexternalhit",
    "whatsapp",
];

/// What somebody reads with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    Phone,
    Tablet,
    Desktop,
}

impl Device {
    pub fn name(self) -> &'static str {
        match self {
            Device::Phone => "phone",
            Device::Tablet => "tablet",
            Device::Desktop => "desktop",
        }
    }

    /// By the name of a program; `None` of one that says nothing of it, as those do that fetch pictures for others.
    pub fn of(agent: &str) -> Option<Device> {
        let agent = agent.to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| agent.contains(word));
        if says(&["imageproxy", "yahoomailproxy"]) {
            None
        } else if says(&["ipad", "tablet", "kindle", "silk/"]) || (says(&["android"]) && !says(&["mobile"])) {
            Some(Device::Tablet)
        } else if says(&["iphone", "ipod", "android", "windows phone", "mobile"]) {
            Some(Device::Phone)
        } else if says(&["windows", "macintosh", "mac os x", "x11", "linux", "cros "]) {
            Some(Device::Desktop)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_by_their_names() {
        let opening = |agent: &str| Reader::opening(Some(agent.into())).by;
        assert_eq!(opening("Mozilla/5.0"), By::Prefetch);
        assert_eq!(opening("Barracuda Sentinel (EE)"), By::Robot);
        assert_eq!(opening("Mozilla/5.0 (compatible; bingbot/2.0)"), By::Robot);
        assert_eq!(
            opening("Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"),
            By::Person
        );
        assert_eq!(Reader::opening(None).by, By::Person);
        assert_eq!(Reader::click(Some("Mozilla/5.0".into())).by, By::Person);
        assert_eq!(Reader::click(Some("python-requests/2.32".into())).by, By::Robot);
    }

    #[test]
    fn devices() {
        for (agent, device) in [
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
                Some(Device::Phone),
            ),
            (
                "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/130.0 Mobile Safari/537.36",
                Some(Device::Phone),
            ),
            (
                "Mozilla/5.0 (Linux; Android 14; SM-X710) AppleWebKit/537.36 Chrome/130.0 Safari/537.36",
                Some(Device::Tablet),
            ),
            ("Mozilla/5.0 (iPad; CPU OS 18_0 like Mac OS X)", Some(Device::Tablet)),
            ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Gecko/20100101 Thunderbird/128.0", Some(Device::Desktop)),
            ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)", Some(Device::Desktop)),
            ("Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)", None),
            ("Mozilla/5.0", None),
            ("", None),
        ] {
            assert_eq!(Device::of(agent), device, "{agent}");
        }
    }

    #[test]
    fn countries_are_two_letters() {
        let told = |country| Reader::opening(None).from(country).country;
        assert_eq!(told(Some(" de ")).as_deref(), Some("DE"));
        for none in [None, Some(""), Some("XX"), Some("T1"), Some("DEU"), Some("<b")] {
            assert_eq!(told(none), None);
        }
    }
}
