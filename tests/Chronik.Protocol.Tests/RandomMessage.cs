using System.Collections;
using System.Reflection;

namespace Chronik.Protocol.Tests;

/// <summary>Fills messages with random content, the same for the same seed.</summary>
internal sealed class RandomMessage(Random random, bool nulls, int longestArray = 3)
{
    private static readonly NullabilityInfoContext Nullability = new();

    /// <summary>A message that can be written in <paramref name="version"/>: with nulls where the version allows them all.</summary>
    public static (IMessage Message, byte[] Bytes) Make(MessageType type, short version, int seed, int longestArray = 3)
    {
        if (seed % 2 == 1)
        {
            try
            {
                IMessage withNulls = type.New();
                new RandomMessage(new Random(seed), nulls: true, longestArray).Fill(withNulls);
                return (withNulls, type.Write(withNulls, version));
            }
            catch (ProtocolException)
            {
                // This version does not allow one of the nulls.
            }
        }

        IMessage message = type.New();
        new RandomMessage(new Random(seed), nulls: false, longestArray).Fill(message);
        return (message, type.Write(message, version));
    }

    public void Fill(object target)
    {
        foreach (PropertyInfo property in target.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance))
        {
            if (property.SetMethod is null) continue;
            bool nullable;
            lock (Nullability) nullable = Nullability.Create(property).WriteState == NullabilityState.Nullable;
            if (nullable && nulls && random.Next(3) == 0) property.SetValue(target, null);
            else property.SetValue(target, Value(property.PropertyType));
        }
    }

    private object Value(Type type)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        if (type == typeof(bool)) return random.Next(2) == 1;
        if (type == typeof(sbyte)) return (sbyte)random.Next(sbyte.MinValue, sbyte.MaxValue);
        if (type == typeof(short)) return (short)random.Next(short.MinValue, short.MaxValue);
        if (type == typeof(ushort)) return (ushort)random.Next(ushort.MaxValue);
        if (type == typeof(int)) return random.Next(int.MinValue, int.MaxValue);
        if (type == typeof(long)) return random.NextInt64(long.MinValue, long.MaxValue);
        if (type == typeof(double)) return Math.Round(random.NextDouble() * 1000, 3);
        if (type == typeof(Guid)) return new Guid(Bytes(16), bigEndian: true);
        if (type == typeof(string)) return Text();
        if (type == typeof(ReadOnlyMemory<byte>)) return new ReadOnlyMemory<byte>(Bytes(random.Next(6)));
        if (type == typeof(Records)) return new MemoryRecords(Bytes(random.Next(8)));
        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(List<>)) return ListOf(type);
        object made = Activator.CreateInstance(type)!;
        Fill(made);
        return made;
    }

    private object ListOf(Type type)
    {
        var list = (IList)Activator.CreateInstance(type)!;
        int count = random.Next(longestArray + 1);
        for (int i = 0; i < count; i++) list.Add(Value(type.GetGenericArguments()[0]));
        return list;
    }

    private byte[] Bytes(int count)
    {
        byte[] bytes = new byte[count];
        random.NextBytes(bytes);
        return bytes;
    }

    private string Text()
    {
        const string Letters = "abcdefghijklmnopqrstuvwxyz-._0123456789\u00e9\u20ac";
        return new string([.. Enumerable.Range(0, random.Next(5)).Select(_ => Letters[random.Next(Letters.Length)])]);
    }
}
