namespace mailroot {
int add(int value) {
  value += 1;  // { not a brace
  value += 2;  // { not a brace
  value += 3;  // { not a brace
  value += 4;  // { not a brace
  value += 5;  // { not a brace
  value += 6;  // { not a brace
  value += 7;  // { not a brace
  value += 8;  // { not a brace
  value += 9;  // { not a brace
  value += 10;  // { not a brace
  value += 11;  // { not a brace
  value += 12;  // { not a brace
  value += 13;  // { not a brace
  value += 14;  // { not a brace
  value += 15;  // { not a brace
  value += 16;  // { not a brace
  value += 17;  // { not a brace
  value += 18;  // { not a brace
  value += 19;  // { not a brace
  value += 20;  // { not a brace
  value += 21;  // { not a brace
  value += 22;  // { not a brace
  value += 23;  // { not a brace
  value += 24;  // { not a brace
  value += 25;  // { not a brace
  value += 26;  // { not a brace
  value += 27;  // { not a brace
  value += 28;  // { not a brace
  value += 29;  // { not a brace
  value += 30;  // { not a brace
  value += 31;  // { not a brace
  value += 32;  // { not a brace
  value += 33;  // { not a brace
  value += 34;  // { not a brace
  value += 35;  // { not a brace
  value += 36;  // { not a brace
  value += 37;  // { not a brace
  value += 38;  // { not a brace
  value += 39;  // { not a brace
  value += 40;  // { not a brace
  value += 41;  // { not a brace
  value += 42;  // { not a brace
  value += 43;  // { not a brace
  value += 44;  // { not a brace
  value += 45;  // { not a brace
  value += 46;  // { not a brace
  value += 47;  // { not a brace
  value += 48;  // { not a brace
  value += 49;  // { not a brace
  value += 50;  // { not a brace
  value += 51;  // { not a brace
  value += 52;  // { not a brace
  value += 53;  // { not a brace
  value += 54;  // { not a brace
  value += 55;  // { not a brace
  value += 56;  // { not a brace
  value += 57;  // { not a brace
  value += 58;  // { not a brace
  value += 59;  // { not a brace
  value += 60;  // { not a brace
  value += 61;  // { not a brace
  value += 62;  // { not a brace
  value += 63;  // { not a brace
  value += 64;  // { not a brace
  value += 65;  // { not a brace
  value += 66;  // { not a brace
  value += 67;  // { not a brace
  value += 68;  // { not a brace
}
Widget::Widget(int value) : size_{value} {
  value += 1;  // { not a brace
  value += 2;  // { not a brace
  value += 3;  // { not a brace
  value += 4;  // { not a brace
  value += 5;  // { not a brace
  value += 6;  // { not a brace
  value += 7;  // { not a brace
  value += 8;  // { not a brace
  value += 9;  // { not a brace
  value += 10;  // { not a brace
  value += 11;  // { not a brace
  value += 12;  // { not a brace
  value += 13;  // { not a brace
  value += 14;  // { not a brace
  value += 15;  // { not a brace
  value += 16;  // { not a brace
  value += 17;  // { not a brace
  value += 18;  // { not a brace
  value += 19;  // { not a brace
  value += 20;  // { not a brace
  value += 21;  // { not a brace
  value += 22;  // { not a brace
  value += 23;  // { not a brace
  value += 24;  // { not a brace
  value += 25;  // { not a brace
  value += 26;  // { not a brace
  value += 27;  // { not a brace
  value += 28;  // { not a brace
  value += 29;  // { not a brace
  value += 30;  // { not a brace
  value += 31;  // { not a brace
  value += 32;  // { not a brace
  value += 33;  // { not a brace
  value += 34;  // { not a brace
  value += 35;  // { not a brace
  value += 36;  // { not a brace
  value += 37;  // { not a brace
  value += 38;  // { not a brace
  value += 39;  // { not a brace
  value += 40;  // { not a brace
  value += 41;  // { not a brace
  value += 42;  // { not a brace
  value += 43;  // { not a brace
  value += 44;  // { not a brace
  value += 45;  // { not a brace
  value += 46;  // { not a brace
  value += 47;  // { not a brace
  value += 48;  // { not a brace
  value += 49;  // { not a brace
  value += 50;  // { not a brace
  value += 51;  // { not a brace
  value += 52;  // { not a brace
  value += 53;  // { not a brace
  value += 54;  // { not a brace
  value += 55;  // { not a brace
  value += 56;  // { not a brace
  value += 57;  // { not a brace
  value += 58;  // { not a brace
  value += 59;  // { not a brace
  value += 60;  // { not a brace
  value += 61;  // { not a brace
  value += 62;  // { not a brace
  value += 63;  // { not a brace
  value += 64;  // { not a brace
  value += 65;  // { not a brace
  value += 66;  // { not a brace
  value += 67;  // { not a brace
  value += 68;  // { not a brace
}
static int add_1(int value) {
  value += 1;  // { not a brace
  value += 2;  // { not a brace
  value += 3;  // { not a brace
  value += 4;  // { not a brace
  value += 5;  // { not a brace
  value += 6;  // { not a brace
  value += 7;  // { not a brace
  value += 8;  // { not a brace
  value += 9;  // { not a brace
  value += 10;  // { not a brace
  value += 11;  // { not a brace
  value += 12;  // { not a brace
  value += 13;  // { not a brace
  value += 14;  // { not a brace
  value += 15;  // { not a brace
  value += 16;  // { not a brace
  value += 17;  // { not a brace
  value += 18;  // { not a brace
  value += 19;  // { not a brace
  value += 20;  // { not a brace
  value += 21;  // { not a brace
  value += 22;  // { not a brace
  value += 23;  // { not a brace
  value += 24;  // { not a brace
  value += 25;  // { not a brace
  value += 26;  // { not a brace
  value += 27;  // { not a brace
  value += 28;  // { not a brace
  value += 29;  // { not a brace
  value += 30;  // { not a brace
}
static int add_2(int value) {
  value += 1;  // { not a brace
  value += 2;  // { not a brace
  value += 3;  // { not a brace
  value += 4;  // { not a brace
  value += 5;  // { not a brace
  value += 6;  // { not a brace
  value += 7;  // { not a brace
  value += 8;  // { not a brace
  value += 9;  // { not a brace
  value += 10;  // { not a brace
  value += 11;  // { not a brace
  value += 12;  // { not a brace
  value += 13;  // { not a brace
  value += 14;  // { not a brace
  value += 15;  // { not a brace
  value += 16;  // { not a brace
  value += 17;  // { not a brace
  value += 18;  // { not a brace
  value += 19;  // { not a brace
  value += 20;  // { not a brace
  value += 21;  // { not a brace
  value += 22;  // { not a brace
  value += 23;  // { not a brace
  value += 24;  // { not a brace
  value += 25;  // { not a brace
  value += 26;  // { not a brace
  value += 27;  // { not a brace
  value += 28;  // { not a brace
  value += 29;  // { not a brace
  value += 30;  // { not a brace
}
static int add_3(int value) {
  value += 1;  // { not a brace
  value += 2;  // { not a brace
  value += 3;  // { not a brace
  value += 4;  // { not a brace
  value += 5;  // { not a brace
  value += 6;  // { not a brace
  value += 7;  // { not a brace
  value += 8;  // { not a brace
  value += 9;  // { not a brace
  value += 10;  // { not a brace
  value += 11;  // { not a brace
  value += 12;  // { not a brace
  value += 13;  // { not a brace
  value += 14;  // { not a brace
  value += 15;  // { not a brace
  value += 16;  // { not a brace
  value += 17;  // { not a brace
  value += 18;  // { not a brace
  value += 19;  // { not a brace
  value += 20;  // { not a brace
  value += 21;  // { not a brace
  value += 22;  // { not a brace
  value += 23;  // { not a brace
  value += 24;  // { not a brace
  value += 25;  // { not a brace
  value += 26;  // { not a brace
  value += 27;  // { not a brace
  value += 28;  // { not a brace
  value += 29;  // { not a brace
  value += 30;  // { not a brace
}
static int add_4(int value) {
  value += 1;  // { not a brace
  value += 2;  // { not a brace
  value += 3;  // { not a brace
  value += 4;  // { not a brace
  value += 5;  // { not a brace
  value += 6;  // { not a brace
  value += 7;  // { not a brace
  value += 8;  // { not a brace
  value += 9;  // { not a brace
  value += 10;  // { not a brace
  value += 11;  // { not a brace
  value += 12;  // { not a brace
  value += 13;  // { not a brace
  value += 14;  // { not a brace
  value += 15;  // { not a brace
  value += 16;  // { not a brace
  value += 17;  // { not a brace
  value += 18;  // { not a brace
  value += 19;  // { not a brace
  value += 20;  // { not a brace
  value += 21;  // { not a brace
  value += 22;  // { not a brace
  value += 23;  // { not a brace
  value += 24;  // { not a brace
  value += 25;  // { not a brace
  value += 26;  // { not a brace
  value += 27;  // { not a brace
  value += 28;  // { not a brace
  value += 29;  // { not a brace
  value += 30;  // { not a brace
}
static int add_5(int value) {
  value += 1;  // { not a brace
  value += 2;  // { not a brace
  value += 3;  // { not a brace
  value += 4;  // { not a brace
  value += 5;  // { not a brace
  value += 6;  // { not a brace
  value += 7;  // { not a brace
  value += 8;  // { not a brace
  value += 9;  // { not a brace
  value += 10;  // { not a brace
  value += 11;  // { not a brace
  value += 12;  // { not a brace
  value += 13;  // { not a brace
  value += 14;  // { not a brace
  value += 15;  // { not a brace
  value += 16;  // { not a brace
  value += 17;  // { not a brace
  value += 18;  // { not a brace
  value += 19;  // { not a brace
  value += 20;  // { not a brace
  value += 21;  // { not a brace
  value += 22;  // { not a brace
  value += 23;  // { not a brace
  value += 24;  // { not a brace
  value += 25;  // { not a brace
  value += 26;  // { not a brace
  value += 27;  // { not a brace
  value += 28;  // { not a brace
  value += 29;  // { not a brace
  value += 30;  // { not a brace
}
constexpr int kTable[] = {
    pick(1),
    pick(2),
    pick(3),
    pick(4),
    pick(5),
    pick(6),
    pick(7),
    pick(8),
    pick(9),
    pick(10),
    pick(11),
    pick(12),
    pick(13),
    pick(14),
    pick(15),
    pick(16),
    pick(17),
    pick(18),
    pick(19),
    pick(20),
    pick(21),
    pick(22),
    pick(23),
    pick(24),
    pick(25),
    pick(26),
    pick(27),
    pick(28),
    pick(29),
    pick(30),
    pick(31),
    pick(32),
    pick(33),
    pick(34),
    pick(35),
    pick(36),
    pick(37),
    pick(38),
    pick(39),
    pick(40),
    pick(41),
    pick(42),
    pick(43),
    pick(44),
    pick(45),
    pick(46),
    pick(47),
    pick(48),
    pick(49),
    pick(50),
    pick(51),
    pick(52),
    pick(53),
    pick(54),
    pick(55),
    pick(56),
    pick(57),
    pick(58),
    pick(59),
    pick(60),
    pick(61),
    pick(62),
    pick(63),
    pick(64),
    pick(65),
    pick(66),
    pick(67),
    pick(68),
    pick(69),
    pick(70),
    pick(71),
    pick(72),
    pick(73),
    pick(74),
    pick(75),
    pick(76),
    pick(77),
    pick(78),
    pick(79),
    pick(80),
};
}
