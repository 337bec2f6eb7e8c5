using System.Collections;
using System.Reflection;
using Chronik.Protocol;

namespace Chronik.Gateway.Tests;

/// <summary>Fills requests with plausible values, so that a fuzzer damages something that would have been served.</summary>
internal static class RequestSamples
{
    private static readonly string[] Words =
        ["t", "", "group", "member", "range", "consumer", "no/such", "__consumer_offsets", "retention.ms", "10"];

    public static IRequestMessage Fill(IRequestMessage request, Random random)
    {
        FillObject(request, random, depth: 0);
        return request;
    }

    private static void FillObject(object target, Random random, int depth)
    {
        foreach (PropertyInfo property in target.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance))
        {
            if (!property.CanWrite) continue;
            if (Value(property.PropertyType, property.GetValue(target), random, depth) is { } value) property.SetValue(target, value);
        }
    }

    private static object? Value(Type type, object? current, Random random, int depth)
    {
        if (type == typeof(string)) return Words[random.Next(Words.Length)];
        if (type == typeof(bool)) return random.Next(2) == 0;
        if (type == typeof(sbyte)) return (sbyte)random.Next(-2, 5);
        if (type == typeof(short)) return (short)random.Next(-2, 5);
        if (type == typeof(int)) return random.Next(-2, 20);
        if (type == typeof(long)) return (long)random.Next(-7, 20);
        if (type == typeof(Guid)) return random.Next(2) == 0 ? Guid.Empty : new Guid(random.Next(), 0, 0, new byte[8]);
        if (type == typeof(ReadOnlyMemory<byte>)) return new ReadOnlyMemory<byte>(new byte[random.Next(20)]);
        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(List<>)) return Items(type, random, depth);
        if (type.IsClass && type.Namespace == "Chronik.Protocol.Messages" && current is not null && depth < 4)
            FillObject(current, random, depth + 1);
        return null;
    }

    private static IList Items(Type type, Random random, int depth)
    {
        var list = (IList)Activator.CreateInstance(type)!;
        Type element = type.GetGenericArguments()[0];
        for (int i = random.Next(3); i > 0 && depth < 4; i--)
        {
            if (element.IsClass && element != typeof(string))
            {
                object item = Activator.CreateInstance(element)!;
                FillObject(item, random, depth + 1);
                list.Add(item);
            }
            else if (Value(element, null, random, depth + 1) is { } value)
            {
                list.Add(value);
            }
        }

        return list;
    }
}
