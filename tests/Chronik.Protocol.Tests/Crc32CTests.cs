using System.Text;

namespace Chronik.Protocol.Tests;

public class Crc32CTests
{
    // RFC 3720, B.4, and the usual check value.
    [Theory]
    [InlineData("", 0u)]
    [InlineData("313233343536373839", 0xE3069283u)]
    [InlineData("0000000000000000000000000000000000000000000000000000000000000000", 0x8A9136AAu)]
    [InlineData("FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF", 0x62A8AB43u)]
    [InlineData("000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F", 0x46DD794Eu)]
    public void Published_values_come_out(string hex, uint expected) => Assert.Equal(expected, Crc32C.Compute(Convert.FromHexString(hex)));

    [Fact]
    public void Lanes_make_no_difference_at_any_length()
    {
        byte[] data = new byte[8000];
        new Random(1).NextBytes(data);
        uint running = ~0u;
        for (int length = 1; length <= data.Length; length++)
        {
            running = Step(running, data[length - 1]);
            Assert.Equal(~running, Crc32C.Compute(data.AsSpan(0, length)));
        }
    }

    [Fact]
    public void A_checksum_can_be_continued()
    {
        byte[] data = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("a partition is a Raft group. ", 300)));
        for (int cut = 0; cut <= data.Length; cut += 37)
        {
            Assert.Equal(Crc32C.Compute(data), Crc32C.Append(Crc32C.Compute(data.AsSpan(0, cut)), data.AsSpan(cut)));
        }
    }

    /// <summary>The definition, bit by bit.</summary>
    private static uint Step(uint crc, byte next)
    {
        crc ^= next;
        for (int bit = 0; bit < 8; bit++) crc = (crc & 1) != 0 ? crc >> 1 ^ 0x82F63B78u : crc >> 1;
        return crc;
    }
}
