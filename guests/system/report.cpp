// Results as lines on port E9h. Each begins with a letter, its fields are divided by '|':
//   F name|section                  a form begins
//   D index|description             the case that the following X or T lines are about
//   X what|expected|got             a comparison failed (hexadecimal)
//   T                               the case must now end in a shutdown
//   S index|reason                  the case was skipped
//   E cases|failed                  the form is over: how many cases it has, and how many of those run have failed
//   Z                               the end
#include "guests/system/report.hpp"

#include "guests/system/text.hpp"

using Arguments = __builtin_va_list;

extern "C" u32 progress[2];

namespace {

void format(Text& text, const char* f, Arguments arguments) {
    for (; *f; ++f) {
        if (*f != '%') {
            text.put(*f);
            continue;
        }
        u32 width = 0;
        while (f[1] >= '0' && f[1] <= '9') width = width * 10 + static_cast<u32>(*++f - '0');
        switch (*++f) {
        case 's': text.put(__builtin_va_arg(arguments, const char*)); break;
        case 'c': text.put(static_cast<char>(__builtin_va_arg(arguments, int))); break;
        case 'x': text.number(__builtin_va_arg(arguments, u32), 16, width); break;
        case 'd':
        case 'u': text.number(__builtin_va_arg(arguments, u32), 10, width); break;
        default: text.put(*f); break;
        }
    }
}

void print(const char* f, ...) {
    char line[400];
    Text text(line, sizeof line);
    Arguments arguments;
    __builtin_va_start(arguments, f);
    format(text, f, arguments);
    __builtin_va_end(arguments);
    for (const char* p = line; *p; ++p) out8(0xE9, static_cast<u8>(*p));
}

} // namespace

bool Report::next() {
    finish_case();
    const u32 index = next_++;
    if (counting_ || index < from_ || index >= until_ || (only_ != ~0u && index != only_)) return false;
    open_ = true;
    failed_ = false;
    skipped_ = nullptr;
    description_ = "";
    progress[1] = index;
    return true;
}

void Report::describe(const char* f, ...) {
    description_ = f;
    Arguments arguments;
    __builtin_va_start(arguments, f);
    for (u32& word : words_) word = __builtin_va_arg(arguments, u32); // what is beyond the last is never looked at
    __builtin_va_end(arguments);
}

void Report::print_description() {
    char line[200] = {};
    Text text(line, sizeof line);
    format(text, description_, reinterpret_cast<Arguments>(words_)); // i386: arguments lie in memory one after another
    print("D %u|%s\n", next_ - 1, line);
}

void Report::expect(const char* what, u32 expected, u32 got) {
    if (expected == got) return;
    if (!failed_) print_description();
    failed_ = true;
    print("X %s|%x|%x\n", what, expected, got);
}

void Report::expect_exit(const Exit& exit, u32 vector, u32 error) {
    expect("vector", vector, exit.vector);
    if (exit.vector == vector) expect("error code", error, exit.error);
}

void Report::skip(const char* reason) { skipped_ = reason; }

void Report::expect_shutdown() {
    print_description();
    print("T\n");
    shutdown_expected_ = true;
}

void Report::finish_case() {
    if (!open_) return;
    open_ = false;
    if (shutdown_expected_) {
        shutdown_expected_ = false;
        expect("shut down", 1, 0);
    }
    if (skipped_) print("S %u|%s\n", next_ - 1, skipped_);
    if (failed_) ++failures_;
}

void configure(Report& report, const char* line) {
    report.counting_ = find(line, "list") != nullptr;
    if (const char* n = find(line, "case=")) report.only_ = number(n);
    if (const char* n = find(line, "from=")) report.from_ = number(n);
    if (const char* n = find(line, "until=")) report.until_ = number(n);
}

bool chosen(const char* line, const char* form) { return names_form(line, form); }

void run_form(Report& report, const Form& form) {
    report.next_ = report.failures_ = 0;
    print("F %s|%s\n", form.name, form.section);
    if (!report.counting_) reset_tables();
    form.run(report);
    report.finish_case();
    print("E %u|%u\n", report.next_, report.failures_);
}

void end_of_report() { print("Z\n"); }
