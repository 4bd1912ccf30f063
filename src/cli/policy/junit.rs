//! Results of scenarios as JUnit XML, which build servers read.

use super::test::Tested;

/// A suite for each file, a case for each scenario; what cannot be read is an error of its suite.
pub(super) fn xml(tested: &[Tested]) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for Tested { file, cases, problems } in tested {
        let failures = cases.iter().filter(|case| case.failure.is_some()).count();
        out.push_str(&format!(
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" errors=\"{}\">\n",
            escaped(file),
            cases.len() + problems.len(),
            problems.len()
        ));
        for case in cases {
            let (name, class) = (format!("{}: {}", case.id, case.title), escaped(file));
            let name = escaped(&name);
            match &case.failure {
                None => out
                    .push_str(&format!("    <testcase classname=\"{class}\" name=\"{name}\"/>\n")),
                Some(failure) => out.push_str(&format!(
                    "    <testcase classname=\"{class}\" name=\"{name}\">\n      <failure \
                     message=\"{}\"/>\n    </testcase>\n",
                    escaped(failure)
                )),
            }
        }
        for (i, problem) in problems.iter().enumerate() {
            out.push_str(&format!(
                "    <testcase classname=\"{}\" name=\"cannot be read ({})\">\n      <error \
                 message=\"{}\"/>\n    </testcase>\n",
                escaped(file),
                i + 1,
                escaped(problem)
            ));
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

/// Text for an attribute. Characters that XML 1.0 cannot hold become U+FFFD.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\n' | '\r' | '\t' => out.push_str(&format!("&#{};", u32::from(c))),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Tested, xml};
    use crate::policy::scenario::CaseReport;

    #[test]
    fn whatever_a_title_holds_the_file_is_xml() {
        let case = |title: &str, failure: Option<&str>| CaseReport {
            id: "a".to_owned(),
            title: title.to_owned(),
            failure: failure.map(str::to_owned),
        };
        let tested = Tested {
            file: "x & y.toml".to_owned(),
            cases: vec![
                case("<b> \"quoted\" 'single' \u{1}\u{ffff} é", Some("line\nbreak ]]>")),
                case("fine", None),
            ],
            problems: vec!["bad & worse".to_owned()],
        };
        let text = xml(&[tested]);
        assert!(text.contains(
            "name=\"a: &lt;b&gt; &quot;quoted&quot; &apos;single&apos; \u{fffd}\u{fffd} é\""
        ));
        assert!(text.contains("<failure message=\"line&#10;break ]]&gt;\"/>"), "{text}");
        assert!(text.contains("tests=\"3\" failures=\"1\" errors=\"1\""), "{text}");
        assert!(text.contains("<error message=\"bad &amp; worse\"/>"), "{text}");
        assert!(text.contains("classname=\"x &amp; y.toml\" name=\"a: fine\"/>"), "{text}");
        // Every `<` and `&` left opens a tag or a reference of ours.
        assert_eq!(text.matches('<').count(), text.matches('>').count());
    }
}
