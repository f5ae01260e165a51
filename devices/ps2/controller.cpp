#include "devices/ps2/controller.hpp"

#include <utility>

namespace glassbox {

namespace {
constexpr u8 status_full = 0x01, status_busy = 0x02, status_system = 0x04, status_command = 0x08,
             status_unlocked = 0x10, status_aux = 0x20;
constexpr u8 config_irq1 = 0x01, config_irq12 = 0x02, config_system = 0x04, config_no_keyboard = 0x10,
             config_no_mouse = 0x20, config_translate = 0x40;
constexpr u8 output_reset = 0x01, output_a20 = 0x02, output_irq1 = 0x10, output_irq12 = 0x20, output_idle = 0xCC;
constexpr u8 input_port = 0xB0; // not locked, no manufacturing jumper, colour display
constexpr std::size_t most_replies = 16;
} // namespace

Ps2Controller::Ps2Controller(Scheduler& scheduler, IrqLine irq1, IrqLine irq12, Callbacks callbacks)
    : scheduler_(scheduler), irq1_(irq1), irq12_(irq12), callbacks_(std::move(callbacks)), keyboard_(scheduler),
      mouse_(scheduler), transfer_(scheduler, "ps2.transfer", [this] { transfer(); }) {
    keyboard_.on_output = mouse_.on_output = [this] { plan_transfer(); };
    reset();
}

void Ps2Controller::map(PortBus& ports) {
    ports.map("8042 data", {Port{0x60}, 1}, *this, 1, data_port);
    ports.map("8042 command", {Port{0x64}, 1}, *this, 1, command_port);
}

void Ps2Controller::reset() {
    keyboard_.reset();
    mouse_.reset();
    ram_ = {};
    config() = config_irq1 | config_irq12 | config_translate;
    output_ = 0;
    full_ = from_aux_ = last_was_command_ = break_prefix_ = false;
    awaited_by_ = 0;
    busy_until_ = 0;
    replies_.clear();
    transfer_.cancel();
    update_irqs();
}

std::optional<u64> Ps2Controller::peek(u64 offset, unsigned) const {
    return offset == data_port ? output_ : read_status();
}

u64 Ps2Controller::read(u64 offset, unsigned) { return offset == data_port ? read_data() : read_status(); }

void Ps2Controller::write(u64 offset, unsigned, u64 value) {
    last_was_command_ = offset == command_port;
    busy_until_ = scheduler_.now() + command_time;
    last_was_command_ ? write_command(static_cast<u8>(value)) : write_data(static_cast<u8>(value));
}

u8 Ps2Controller::read_data() {
    full_ = false;
    update_irqs();
    plan_transfer();
    return output_;
}

u8 Ps2Controller::read_status() const {
    u8 status = status_unlocked;
    if (full_) status |= static_cast<u8>(status_full | (from_aux_ ? status_aux : 0));
    if (scheduler_.now() < busy_until_) status |= status_busy;
    if (ram_[0] & config_system) status |= status_system;
    if (last_was_command_) status |= status_command;
    return status;
}

// Data for the keyboard switches its interface on, as the data sheet of the command register says of bit 4.
void Ps2Controller::write_data(u8 value) {
    if (const u8 command = std::exchange(awaited_by_, u8{0})) {
        two_byte_command(command, value);
        return;
    }
    config() &= static_cast<u8>(~config_no_keyboard);
    break_prefix_ = false;
    keyboard_.command(value);
}

void Ps2Controller::two_byte_command(u8 command, u8 value) {
    if (command >= 0x60 && command <= 0x7F) {
        ram_[command & 0x1F] = value;
        if (command == 0x60) write_config(value);
        return;
    }
    switch (command) {
    case 0xD1: write_output_port(value); break;
    case 0xD2: reply(value); break;
    case 0xD3: reply(value, true); break;
    default: // D4
        config() &= static_cast<u8>(~config_no_mouse);
        mouse_.command(value);
        break;
    }
}

void Ps2Controller::write_command(u8 value) {
    awaited_by_ = 0;
    if (value >= 0x20 && value <= 0x3F) return reply(ram_[value & 0x1F]);
    if ((value >= 0x60 && value <= 0x7F) || (value >= 0xD1 && value <= 0xD4)) {
        awaited_by_ = value;
        return;
    }
    if (value >= 0xF0) { // pulses the low bits of the output port that are 0 here
        if ((value & output_reset) == 0 && callbacks_.reset_processor) callbacks_.reset_processor();
        return;
    }
    switch (value) {
    case 0xA4: reply(0xF1); break; // no password
    case 0xA7: write_config(config() | config_no_mouse); break;
    case 0xA8: write_config(config() & static_cast<u8>(~config_no_mouse)); break;
    case 0xA9: reply(0x00); break; // the mouse's lines are fine
    case 0xAA:
        config() |= config_system;
        reply(0x55);
        break;
    case 0xAB: reply(0x00); break; // the keyboard's lines are fine
    case 0xAD: write_config(config() | config_no_keyboard); break;
    case 0xAE: write_config(config() & static_cast<u8>(~config_no_keyboard)); break;
    case 0xC0: reply(input_port); break;
    case 0xCA: reply(0x01); break; // a PS/2 controller
    case 0xD0: reply(output_port()); break;
    case 0xDD: write_output_port(0xDD); break;
    case 0xDF: write_output_port(0xDF); break;
    case 0xE0: reply((config() & config_no_keyboard) ? 0x02 : 0x03); break; // keyboard data and clock
    default: break;
    }
}

void Ps2Controller::write_config(u8 value) {
    config() = value & 0x7F;
    if ((value & config_translate) == 0) break_prefix_ = false;
    update_irqs();
    plan_transfer();
}

void Ps2Controller::write_output_port(u8 value) {
    if (callbacks_.set_a20) callbacks_.set_a20((value & output_a20) != 0);
    if ((value & output_reset) == 0 && callbacks_.reset_processor) callbacks_.reset_processor();
}

u8 Ps2Controller::output_port() const {
    const bool open = !callbacks_.a20 || callbacks_.a20();
    return static_cast<u8>(output_idle | output_reset | (open ? output_a20 : 0) |
                           (full_ && !from_aux_ ? output_irq1 : 0) | (full_ && from_aux_ ? output_irq12 : 0));
}

void Ps2Controller::reply(u8 byte, bool aux) {
    if (replies_.size() >= most_replies) return;
    replies_.push_back({byte, aux});
    if (!full_ && transfer_.pending()) transfer_.after(reply_time); // before the byte that is on its way
    plan_transfer();
}

bool Ps2Controller::keyboard_ready() const { return !(ram_[0] & config_no_keyboard) && keyboard_.has_output(); }
bool Ps2Controller::mouse_ready() const { return !(ram_[0] & config_no_mouse) && mouse_.has_output(); }

// A device may send while the output buffer is empty: the controller holds its clock otherwise.
void Ps2Controller::plan_transfer() {
    if (full_ || transfer_.pending()) return;
    if (!replies_.empty()) {
        transfer_.after(reply_time);
    } else if (keyboard_ready() || mouse_ready()) {
        transfer_.after(device_byte_time);
    }
}

void Ps2Controller::transfer() {
    if (full_) return;
    if (!replies_.empty()) {
        const Reply next = replies_.front();
        replies_.pop_front();
        fill(next.byte, next.aux);
    } else if (keyboard_ready()) {
        keyboard_byte(keyboard_.take());
    } else if (mouse_ready()) {
        fill(mouse_.take(), true);
    }
}

void Ps2Controller::keyboard_byte(u8 byte) {
    if (config() & config_translate) {
        if (byte == 0xF0) {
            break_prefix_ = true;
            plan_transfer();
            return;
        }
        byte = static_cast<u8>(translate_to_set1(byte) | (std::exchange(break_prefix_, false) ? 0x80 : 0));
    }
    fill(byte, false);
}

void Ps2Controller::fill(u8 byte, bool aux) {
    output_ = byte;
    full_ = true;
    from_aux_ = aux;
    update_irqs();
}

void Ps2Controller::update_irqs() {
    irq1_.set(full_ && !from_aux_ && (ram_[0] & config_irq1));
    irq12_.set(full_ && from_aux_ && (ram_[0] & config_irq12));
}

void Ps2Controller::persist(Archive& archive) {
    archive.chunk("8042", 1, [&](u32) {
        archive(ram_, output_, full_, from_aux_, last_was_command_, break_prefix_, awaited_by_, busy_until_, replies_);
        archive.require(replies_.size() <= most_replies, "the 8042 has too many replies");
    });
    keyboard_.persist(archive);
    mouse_.persist(archive);
}

} // namespace glassbox
